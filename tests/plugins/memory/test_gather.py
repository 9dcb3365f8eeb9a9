"""Batches become windows."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from domctx.api import RamBlock
from domctx.errors import DomainError, PluginError
from domctx.states import BlockSource, PageBatch, PageKind
from domctx_memory.buffers import Buffers
from domctx_memory.gather import Window, windows
from domctx_memory.layout import record_pages
from domctx_memory.sources import batch_pages
from helpers.memory import SourceMemory, block_of, empty_memory, memories, picture, random_pages, sample_memory


def copied(memory: SourceMemory, buffers: Buffers | None = None) -> Iterator[PageBatch]:
    """The windows of a memory, each copied before the next is asked for."""
    buffers = buffers or Buffers()
    for item in windows(memory.batches(), memory.blocks, buffers):
        window = item.read(buffers)
        found = window.batch
        fills = None if found.fills is None else found.fills.copy()
        types = None if found.types is None else found.types.copy()
        yield PageBatch(found.block, found.first, found.kinds.copy(), found.pages.copy(), fills, types)
        buffers.give(window.buffer)


def read(parts: Iterable[PageBatch | BlockSource], blocks: Sequence[RamBlock]) -> list[Window]:
    """All windows at once."""
    buffers = Buffers()
    return [item.read(buffers) for item in windows(parts, blocks, buffers)]


def sourced(memory: SourceMemory, passing: Sequence[int] = ()) -> Iterator[PageBatch | BlockSource]:
    """The blocks as sources, but for those that pass."""
    for index, block in enumerate(memory.blocks):
        if index in passing:
            yield from (batch for batch in memory.batches() if batch.block == index)
        else:
            yield BlockSource(index, functools.partial(reading, memory, index, block.page_shift))


def reading(
    memory: SourceMemory, index: int, shift: int, first: int, count: int, buffer: NDArray[np.uint8]
) -> PageBatch:
    """Pages of a block, in the buffer."""
    batch = memory.read(index, first, count)
    goal = buffer.reshape(-1, 1 << shift)[: len(batch.pages)]
    goal[...] = batch.pages
    return attrs.evolve(batch, pages=goal)


@settings(max_examples=40, deadline=None)
@given(memories(), st.integers(0, 3))
def test_what_threads_read_gives_the_same_windows(memory: SourceMemory, passing: int) -> None:
    """Whichever of the blocks may be read by threads."""
    ones = read(sourced(memory, [passing]), memory.blocks)
    for one, other in zip(ones, copied(memory), strict=True):
        assert (one.batch.block, one.batch.first) == (other.block, other.first)
        assert one.page_shift == memory.blocks[other.block].page_shift
        for name in ("kinds", "pages", "fills"):
            assert np.array_equal(getattr(one.batch, name), getattr(other, name))
        types = one.batch.types if one.batch.types is not None else np.zeros(other.count, np.uint8)
        assert np.array_equal(types, other.types if other.types is not None else np.zeros(other.count, np.uint8))


def test_a_source_that_gives_other_pages_is_refused() -> None:
    """What threads read must be what was asked for."""
    memory = sample_memory(pages=20)
    wrong = BlockSource(0, lambda first, count, buffer: memory.read(0, first, count - 1))
    with pytest.raises(PluginError, match="gave other pages"):
        read([wrong], memory.blocks)


@settings(max_examples=40, deadline=None)
@given(memories())
def test_windows_hold_what_the_batches_held(memory: SourceMemory) -> None:
    """Put together again, the windows of a memory are that memory."""
    again = empty_memory(memory.blocks)
    for batch in copied(memory):
        again.store(batch)
    assert picture(again) == picture(memory)


@settings(max_examples=40, deadline=None)
@given(memories())
def test_windows_are_cut_at_multiples_and_in_one_form(memory: SourceMemory) -> None:
    """No window crosses a multiple of a record's pages; all but a block's last are full; no DATA page is uniform."""
    for batch in copied(memory):
        block = memory.blocks[batch.block]
        limit = record_pages(block.page_shift)
        assert batch.first % limit == 0
        assert batch.count == min(limit, block.pages - batch.first)
        assert all(len(set(page.tobytes())) > 1 for page in batch.pages)
        assert batch.fills is not None
        assert batch.fills.all()


@settings(max_examples=25, deadline=None)
@given(memories())
def test_how_batches_are_cut_never_shows(memory: SourceMemory) -> None:
    """The same memory in other batches gives the same windows."""
    plain = SourceMemory(memory.blocks, memory.pages)
    for one, other in zip(copied(memory), copied(plain), strict=True):
        assert (one.block, one.first) == (other.block, other.first)
        for name in ("kinds", "pages", "fills", "types"):
            assert np.array_equal(getattr(one, name), getattr(other, name)) or getattr(one, name) is None


def test_pages_that_come_again_begin_a_window_of_their_own() -> None:
    """A later round of some pages is a window by itself, behind the first."""
    memory = sample_memory(pages=1200)
    rounds = [memory.read(0, 0, 1200), memory.read(0, 100, 50), memory.read(0, 500, 10), memory.read(0, 510, 10)]
    found = [window.batch for window in read(rounds, memory.blocks)]
    assert [(batch.first, batch.count) for batch in found] == [(0, 1024), (1024, 176), (100, 50), (500, 20)]


def test_a_window_has_types_where_any_of_its_pages_has() -> None:
    """Pages without types that share a window with pages that have types are NOTAB; a window of none has none."""
    typed, plain = random_pages(1, 10, 4096, typed=True), random_pages(2, 2000, 4096)
    batches = [plain.batch(0, 0, 0, 10), typed.batch(0, 10, 0, 10), plain.batch(0, 20, 0, 1980)]
    one, other = (window.batch.types for window in read(batches, [block_of(2000)]))
    assert other is None
    assert one is not None
    assert typed.types is not None
    assert np.array_equal(np.flatnonzero(one), 10 + np.flatnonzero(typed.types))


def test_a_fill_of_zeros_is_zero() -> None:
    """A FILL page of the octet 0 becomes ZERO."""
    batch = PageBatch(0, 0, np.array([2, 2], np.uint8), np.empty((0, 4096), np.uint8), np.array([0, 1], np.uint8))
    (window,) = read([batch], [block_of(2)])
    assert window.batch.kinds.tolist() == [PageKind.ZERO, PageKind.FILL]
    assert batch.kinds.tolist() == [PageKind.FILL, PageKind.FILL]


def test_empty_batches_are_passed_over() -> None:
    """A batch of no pages gives no window."""
    empty = random_pages(1, 0, 4096).batch(0, 3, 0, 0)
    assert list(windows([empty], [block_of(20)], Buffers())) == []


def test_buffers_are_used_again() -> None:
    """A walk that gives its buffers back takes two of them, however many windows there are."""
    taken: set[int] = set()

    class Counted(Buffers):
        def take(self) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
            taken.add(id(buffer := super().take()))
            return buffer

    buffers = Counted()
    found: list[Window] = []
    for item in windows(sample_memory(pages=5000).batches(), [block_of(5000)], buffers):
        found.append(item.read(buffers))
        buffers.give(found[-1].buffer)
    assert len(found) == 5
    assert len(taken) == 1


def test_a_bad_batch_is_refused() -> None:
    """A batch that contradicts itself, or that its block does not have, comes to no window."""
    good = random_pages(1, 10, 4096).batch(0, 0, 0, 10)
    bad = PageBatch(0, 0, np.zeros(10, np.uint8), np.empty((0, 4096), np.uint8))
    with pytest.raises(PluginError):
        list(windows([bad], [block_of(10)], Buffers()))
    with pytest.raises(DomainError):
        list(windows([good], [block_of(9)], Buffers()))
    with pytest.raises(DomainError):
        list(windows([], [RamBlock("odd", 1 << 30, 30)], Buffers()))


def test_a_source_is_asked_for_a_record_at_a_time() -> None:
    """A batch of a block with large pages is no larger than a record."""
    assert batch_pages([block_of(9)]) == 1024
    assert batch_pages([block_of(9), block_of(9, 21)]) == 2
    assert batch_pages([]) == 1
