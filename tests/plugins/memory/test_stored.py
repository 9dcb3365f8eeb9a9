"""Memory that is loaded into."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.api import RamBlock
from domctx.errors import DomainError, PluginError
from domctx.states import PageBatch, PageKind
from domctx_memory import StoredMemory
from helpers.memory import block_of, empty_memory, picture, random_pages

BLOCKS = [block_of(2100), block_of(50, 10, "vga")]
NONE = np.empty((0, 4096), np.uint8)

stores = st.tuples(st.integers(0, 1 << 32), st.integers(0, 2099), st.integers(0, 1100), st.booleans())


@settings(max_examples=40, deadline=None)
@given(st.lists(stores, max_size=8))
def test_what_was_stored_last_is_read(told: list[tuple[int, int, int, bool]]) -> None:
    """Whatever batches were stored one over the other, every page is as it was stored last."""
    stored, model = StoredMemory(BLOCKS), empty_memory(BLOCKS)
    for seed, first, count, typed in told:
        count = min(count, 2100 - first)
        batch = random_pages(seed, count, 4096, typed=typed).batch(0, first, 0, count)
        stored.store(batch)
        model.store(batch)
    assert picture(stored) == picture(model)
    stored.close()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2000), st.integers(0, 2000), st.sampled_from([1, 7, 1000, 1024, 5000]))
def test_reads_are_cut_anyhow(first: int, count: int, step: int) -> None:
    """Any range, and batches of any size, give the pages that a model gives."""
    stored, model = StoredMemory(BLOCKS), empty_memory(BLOCKS)
    batch = random_pages(3, 2100, 4096, typed=True).batch(0, 0, 0, 2100)
    stored.store(batch)
    model.store(batch)
    count = min(count, 2100 - first)
    one, other = stored.read(0, first, count), model.read(0, first, count)
    for name in ("kinds", "pages", "fills", "types"):
        assert np.array_equal(getattr(one, name), getattr(other, name)) or count == 0
    batches = list(stored.batches(step))
    assert sum(batch.count for batch in batches if batch.block == 0) == 2100
    assert max(batch.count for batch in batches) <= step


def test_the_callers_arrays_are_his_own() -> None:
    """A batch that is changed after it was stored changes nothing, and one that was read cannot be changed."""
    stored = StoredMemory(BLOCKS)
    batch = random_pages(3, 100, 4096).batch(0, 0, 0, 100)
    stored.store(batch)
    before = picture(stored)
    for array in (batch.kinds, batch.pages, batch.fills):
        assert array is not None
        array[...] = 0
    assert picture(stored) == before
    with pytest.raises(ValueError, match="read-only"):
        stored.read(0, 0, 100).kinds[0] = 1


def test_pages_without_types_lie_beside_pages_with() -> None:
    """Where some pages of a window have types, the others are NOTAB."""
    stored = StoredMemory(BLOCKS)
    kinds = np.ones(4, np.uint8)
    stored.store(PageBatch(0, 0, kinds, NONE, None, np.array([1, 2, 3, 4], np.uint8)))
    stored.store(PageBatch(0, 1, kinds[:2], NONE))
    assert stored.read(0, 0, 5).types.tolist() == [1, 0, 0, 4, 0]  # type: ignore[union-attr]  # some have types
    assert stored.read(0, 1024, 5).types is None


def test_a_terabyte_of_zeros_takes_little_memory() -> None:
    """Windows that are alike share their page maps, and nothing is written to the disk."""
    stored = StoredMemory([RamBlock("ram", 1 << 40)])
    zeros = PageBatch(0, 0, np.ones(1 << 20, np.uint8), NONE)
    tracemalloc.start()
    stored.store(zeros)
    each = tracemalloc.get_traced_memory()[0] / 1024
    tracemalloc.stop()
    assert each < 512
    assert stored._spool is None
    assert (stored.read(0, 0, 1 << 20).kinds == PageKind.ZERO).all()


def test_pages_outside_of_a_block_are_refused() -> None:
    """Neither read nor store leaves the block."""
    stored = StoredMemory(BLOCKS)
    with pytest.raises(DomainError, match="outside of RAM block"):
        stored.read(0, 2099, 2)
    with pytest.raises(DomainError, match="no such RAM block"):
        stored.read(2, 0, 1)
    with pytest.raises(DomainError, match="outside of RAM block"):
        stored.store(PageBatch(0, 2100, np.ones(1, np.uint8), NONE))


def test_a_batch_that_contradicts_itself_is_refused() -> None:
    """A batch that has not the pages that its kinds tell is refused, and nothing is stored."""
    stored = StoredMemory(BLOCKS)
    with pytest.raises(PluginError, match="not the pages"):
        stored.store(PageBatch(0, 0, np.zeros(1, np.uint8), NONE))
    assert picture(stored) == picture(empty_memory(BLOCKS))


def test_blocks_whose_pages_fit_no_record_are_refused() -> None:
    """Memory of blocks with 1 GiB pages is not made."""
    with pytest.raises(DomainError, match="pages of a size"):
        StoredMemory([RamBlock("huge", 1 << 40, 30)])


def test_the_blocks_are_those_of_the_machine() -> None:
    """The blocks are given as they came, and closing memory that holds nothing does nothing."""
    stored = StoredMemory(BLOCKS)
    assert list(stored.blocks) == BLOCKS
    stored.close()
