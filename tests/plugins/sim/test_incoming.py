"""Tests of domctx_sim.incoming: memory on its way into frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from domctx.errors import DomainError
from domctx.states import PageBatch, PageKind
from domctx_sim.home import Home
from domctx_sim.incoming import UNTOLD, IncomingMemory
from domctx_sim.states import ram_block
from helpers.bare_machines import DOMAIN, Bare


@pytest.fixture
def memory(tmp_path: Path) -> IncomingMemory:
    """The memory of a domain of 64 pages that nothing came to yet."""
    bare = Bare.make(tmp_path)
    return IncomingMemory(Home(bare.dom0, bare.machine.domains[DOMAIN], bare.mfns.astype(np.uint32)))


def batch(first: int, *pages: int | bytes | None, types: list[int] | None = None) -> PageBatch:
    """Pages from ``first`` on: octets repeated are DATA, a number is FILL, None is ZERO."""
    kinds = [PageKind.FILL if isinstance(page, int) else PageKind.DATA if page else PageKind.ZERO for page in pages]
    data = b"".join(page * (4096 // len(page)) for page in pages if isinstance(page, bytes))
    return PageBatch(
        block=0,
        first=first,
        kinds=np.array(kinds, np.uint8),
        pages=np.frombuffer(data, np.uint8).reshape(-1, 4096),
        fills=np.array([page for page in pages if isinstance(page, int)], np.uint8),
        types=None if types is None else np.array(types, np.uint8),
    )


def test_kinds(memory: IncomingMemory) -> None:
    """Data, fill and zero pages arrive in their places."""
    assert list(memory.blocks) == [ram_block(64)]
    memory.store(batch(3, b"ab", 0x55, None, b"cd"))
    read = memory.read(0, 2, 6)
    assert read.kinds.tolist() == [PageKind.ABSENT, *[PageKind.DATA] * 4, PageKind.ABSENT]
    assert [page[:2].tobytes() for page in read.pages] == [b"ab", b"\x55\x55", b"\0\0", b"cd"]
    assert memory.missing() == 0


def test_later_batches_replace(memory: IncomingMemory) -> None:
    """A page that comes again replaces the former one, also with zeros."""
    memory.store(batch(3, b"ab", b"cd"))
    memory.store(batch(3, None, 7))
    assert [page[:2].tobytes() for page in memory.read(0, 3, 2).pages] == [b"\0\0", b"\7\7"]


def test_whole(memory: IncomingMemory) -> None:
    """When every page came none is missing, and the batches tell them all."""
    memory.store(batch(0, *[None] * 63))
    assert memory.missing() == 63
    memory.store(batch(63, b"z"))
    assert memory.missing() is None
    assert [(found.first, found.count) for found in memory.batches(40)] == [(0, 40), (40, 24)]


def test_types(memory: IncomingMemory) -> None:
    """Page types that come with pages are kept; a later batch without them forgets them."""
    memory.store(batch(3, None, None, types=[1, 2]))
    assert memory.types[2:6].tolist() == [UNTOLD, 1, 2, UNTOLD]
    memory.store(batch(4, None))
    assert memory.types[2:6].tolist() == [UNTOLD, 1, UNTOLD, UNTOLD]


@pytest.mark.parametrize("kind", [PageKind.ABSENT, PageKind.POPULATE, PageKind.BROKEN, PageKind.INVALID, PageKind.BASE])
def test_kinds_that_cannot_be(memory: IncomingMemory, kind: PageKind) -> None:
    """A page that a domain of 2004 cannot have is refused, naming page and kind."""
    pages = PageBatch(0, 8, np.array([PageKind.ZERO, kind], np.uint8), np.empty((0, 4096), np.uint8))
    with pytest.raises(DomainError, match=f"page 0x9 is of a kind that this machine cannot hold; .* got {kind.name}"):
        memory.store(pages)


def test_outside(memory: IncomingMemory) -> None:
    """Pages of another block, or behind the last one, are refused."""
    with pytest.raises(DomainError, match="outside the domain's memory"):
        memory.store(batch(63, None, None))
    with pytest.raises(DomainError, match="outside the domain's memory"):
        memory.read(1, 0, 1)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.tuples(
            st.integers(0, 50),
            st.lists(st.one_of(st.none(), st.integers(0, 255), st.binary(min_size=4, max_size=4)), max_size=14),
        ),
        max_size=6,
    )
)
def test_any_batches(memory: IncomingMemory, batches: list[tuple[int, list[int | bytes | None]]]) -> None:
    """Whatever comes in whatever order: the last telling of each page stands."""
    model: dict[int, bytes] = {}
    for first, pages in batches:
        memory.store(batch(first, *pages))
        for offset, page in enumerate(pages):
            word = page if isinstance(page, bytes) else bytes([page or 0]) * 4
            model[first + offset] = word
    for pfn, word in model.items():
        assert memory.read(0, pfn, 1).pages.tobytes() == word * 1024
