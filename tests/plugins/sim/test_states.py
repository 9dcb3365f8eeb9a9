"""Tests of domctx_sim.states: the states of a domain that is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domctx.errors import DomainError
from domctx.states import CLOCK, GDT, MEMORY, PAGE_TABLES, SHARED_INFO, VCPUS, PageKind
from domctx_sim.domain import SimDomain
from domctx_sim.states import ram_block
from helpers.machines import built, opened, require


@pytest.fixture
def domain(tmp_path: Path) -> Iterator[SimDomain]:
    """A small domain, paused."""
    with opened(built(tmp_path / "m")) as domain:
        yield domain


def test_memory(domain: SimDomain) -> None:
    """Memory is one block; its pages come in any batches, and at random."""
    memory = require(domain, MEMORY)
    assert list(memory.blocks) == [ram_block(64)]
    batches = list(memory.batches(30))
    assert [(batch.block, batch.first, batch.count) for batch in batches] == [(0, 0, 30), (0, 30, 30), (0, 60, 4)]
    assert all(np.all(batch.kinds == PageKind.DATA) for batch in batches)
    assert np.array_equal(memory.read(0, 29, 2).pages, np.stack([batches[0].pages[29], batches[1].pages[0]]))


@pytest.mark.parametrize(("block", "first", "count"), [(1, 0, 1), (0, -1, 1), (0, 64, 1), (0, 60, 5), (0, 5, -1)])
def test_outside_memory(domain: SimDomain, block: int, first: int, count: int) -> None:
    """Pages that the domain does not have are refused."""
    with pytest.raises(DomainError, match="outside the domain's memory"):
        require(domain, MEMORY).read(block, first, count)


def test_page_tables_there_and_back(domain: SimDomain) -> None:
    """Localising canonical page tables gives the machine's own, and canonicalising those the same again."""
    tables, memory = require(domain, PAGE_TABLES), require(domain, MEMORY)
    batch = memory.read(0, 62, 2)
    local = tables.localise(batch)
    mfn = domain.view.frame_map.p2m[62]
    assert local.pages.view("<u4")[1, 768] >> 12 == mfn
    assert np.array_equal(tables.canonicalise(local).pages, batch.pages)


@pytest.mark.parametrize(
    ("key", "store", "message"),
    [
        (MEMORY, lambda state: state.store(state.read(0, 0, 1)), "the memory"),
        (PAGE_TABLES, lambda state: state.store(state.context), "what is known of page tables"),
        (VCPUS, lambda state: state.store(0, state.contexts[0]), "the processor's context"),
        (GDT, lambda state: state.store(0, state.contexts[0]), "the GDT"),
        (SHARED_INFO, lambda state: state.store(state.context), "the shared-info page"),
        (CLOCK, lambda state: state.store(state.tsc), "the clock"),
    ],
)
def test_nothing_is_written(domain: SimDomain, key: Any, store: Callable[[Any], None], message: str) -> None:
    """No state of a domain that is read can be written."""
    with pytest.raises(DomainError, match=f"{message} of a simulated machine is written only while it is loaded"):
        store(require(domain, key))
