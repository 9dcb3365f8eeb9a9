"""Runs of octets out of pages."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.api import Placement
from domctx.errors import DomainError
from domctx.states import PageBatch, PageKind
from domctx_memory.address import Extent
from domctx_memory.octets import physical_reader, pieces, runs, without_contents
from helpers.memory import SourceMemory, block_of, random_pages

PAGES = random_pages(4, 2100, 4096)
WHOLE = PAGES.contents.reshape(-1)


class Counted(SourceMemory):
    """A memory that counts the pages that are read."""

    read_pages = 0

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """Count, and read."""
        self.read_pages += count
        return super().read(block, first, count)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2100 * 4096), st.integers(0, 9000) | st.integers(0, 2100 * 4096))
def test_octets_are_those_of_the_pages(offset: int, length: int) -> None:
    """Any run of octets is read, and from no more pages than hold it."""
    length = min(length, 2100 * 4096 - offset)
    memory = Counted([block_of(2100)], [PAGES])
    found = [piece.octets.copy() for piece in pieces(memory, Extent(0, 0, offset, length))]
    assert np.array_equal(np.concatenate([*found, WHOLE[:0]]), WHOLE[offset : offset + length])
    assert memory.read_pages <= length // 4096 + 2


def test_kinds_without_contents_are_known() -> None:
    """DATA, ZERO and FILL pages have contents, all others have not."""
    found = without_contents(np.arange(7).astype(np.uint8))
    assert found.tolist() == [kind > PageKind.FILL for kind in range(7)]


def test_runs_of_true_values() -> None:
    """Runs are told by where they start and stop."""
    assert list(runs(np.array([1, 1, 0, 1], bool))) == [(0, 2), (3, 4)]
    assert list(runs(np.zeros(3, bool))) == list(runs(np.zeros(0, bool))) == []


def test_physical_memory_is_read_by_addresses() -> None:
    """Octets come across runs of RAM that touch; where there is none is refused."""
    blocks = [
        attrs.evolve(block_of(2100), name="a", placements=(Placement(0, 4096, 8192), Placement(8192, 0, 4096))),
    ]
    read = physical_reader(SourceMemory(blocks, [PAGES]))
    assert read(0x1FFE, 4) == WHOLE[0x2FFE:0x3000].tobytes() + WHOLE[:2].tobytes()
    with pytest.raises(DomainError, match="outside of guest-physical memory"):
        read(0x2FFE, 4)
