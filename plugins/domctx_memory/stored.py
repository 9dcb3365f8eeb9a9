"""StoredMemory: memory that records are loaded into; its pages stand in an unlinked file, its page maps in memory."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from domctx.api import RamBlock
from domctx.states import PageBatch, PageKind
from domctx_memory.layout import record_pages
from domctx_memory.pages import (
    Part,
    absent,
    assemble,
    check_batch,
    check_blocks,
    check_range,
    count_kind,
    fills_by_page,
)
from domctx_memory.spool import Spool


@attrs.define(eq=False)
class _Window:
    """The pages of one window of a block: a record's worth. Its DATA pages stand in the spool, one behind the other."""

    kinds: NDArray[np.uint8]
    octets: NDArray[np.uint8]
    types: NDArray[np.uint8] | None = None
    slot: int | None = None


class StoredMemory:
    """Memory that can be written; pages that were never stored are ABSENT."""

    def __init__(self, blocks: Sequence[RamBlock]) -> None:
        check_blocks(blocks)
        self._blocks = tuple(blocks)
        self._windows: dict[tuple[int, int], _Window] = {}
        self._spool: Spool | None = None
        self._constant: dict[tuple[int, int], NDArray[np.uint8]] = {}

    @property
    def blocks(self) -> Sequence[RamBlock]:
        """The blocks, in the order in which they are saved."""
        return self._blocks

    def close(self) -> None:
        """Give the disk back."""
        if self._spool is not None:
            self._spool.close()

    def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
        """Every page of every block, ascending, at most ``pages`` at a time."""
        for index, block in enumerate(self._blocks):
            for first in range(0, block.pages, pages):
                yield self.read(index, first, min(pages, block.pages - first))

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """``count`` pages of ``block`` from ``first`` on. Raises DomainError outside the block."""
        size = 1 << check_range(self._blocks, block, first, count).page_shift
        return assemble(absent(block, first, count, size), size, list(self._parts(block, first, count, size)))

    def _parts(self, block: int, first: int, count: int, size: int) -> Iterator[Part]:
        limit = record_pages(self._blocks[block].page_shift)
        for number in range(first // limit, -(-(first + count) // limit) if count else 0):
            window = self._windows.get((block, number))
            if window is not None:
                start = number * limit
                low, high = max(first, start), min(first + count, start + limit)
                yield self._part(window, slice(low - start, high - start), slice(low - first, high - first), size)

    def _part(self, window: _Window, inside: slice, place: slice, size: int) -> Part:
        kinds = window.kinds[inside]
        types = None if window.types is None else window.types[inside]
        row, rows = count_kind(window.kinds[: inside.start], PageKind.DATA), count_kind(kinds, PageKind.DATA)
        fetch = functools.partial(self._read, window, row, rows, size)
        return Part(place, kinds, window.octets[inside], types, rows, fetch)

    def store(self, batch: PageBatch) -> None:
        """Take a batch: its pages replace what stood there. Raises DomainError where the disk refuses."""
        limit = record_pages(check_batch(batch, self._blocks).page_shift)
        octets = fills_by_page(batch.kinds, batch.fills)
        start, row = 0, 0
        while start < batch.count:
            number, inside = divmod(batch.first + start, limit)
            stop = min(batch.count, start + limit - inside)
            part = slice(start, stop)
            kinds = batch.kinds[part]
            rows = count_kind(kinds, PageKind.DATA)
            window = self._window(batch.block, number, limit)
            self._put(window, inside, kinds, batch.pages[row : row + rows])
            goal = slice(inside, inside + len(kinds))
            window.kinds = self._replaced(window.kinds, goal, kinds)
            window.octets = self._replaced(window.octets, goal, octets[part])
            if batch.types is not None or window.types is not None:
                old = self._same(0, limit) if window.types is None else window.types
                new = np.zeros_like(kinds) if batch.types is None else batch.types[part]
                window.types = self._replaced(old, goal, new)
            start, row = stop, row + rows

    def _window(self, block: int, number: int, limit: int) -> _Window:
        window = self._windows.get((block, number))
        if window is None:
            window = _Window(self._same(PageKind.ABSENT, limit), self._same(0, limit))
            self._windows[block, number] = window
        return window

    def _put(self, window: _Window, inside: int, kinds: NDArray[np.uint8], pages: NDArray[np.uint8]) -> None:
        """Write DATA pages from page ``inside`` of the window on, and move those behind them where they must."""
        size = pages.shape[1]
        before = count_kind(window.kinds[:inside], PageKind.DATA)
        replaced = count_kind(window.kinds[inside : inside + len(kinds)], PageKind.DATA)
        after = count_kind(window.kinds[inside + len(kinds) :], PageKind.DATA)
        if after and replaced != len(pages):
            for moved in self._read(window, before + replaced, after, size):
                self._write(window, before + len(pages), moved)
        self._write(window, before, pages)

    def _read(self, window: _Window, row: int, rows: int, size: int) -> Iterator[NDArray[np.uint8]]:
        if rows and self._spool is not None and window.slot is not None:
            pages = np.empty((rows, size), np.uint8)
            self._spool.read(window.slot + row * size, pages)
            yield pages

    def _write(self, window: _Window, row: int, pages: NDArray[np.uint8]) -> None:
        if not len(pages):
            return
        if self._spool is None:
            self._spool = Spool()
        if window.slot is None:
            window.slot = self._spool.slot()
        self._spool.write(window.slot + row * pages.shape[1], pages)

    def _same(self, octet: int, count: int) -> NDArray[np.uint8]:
        """A column of one octet; all windows share it."""
        column = self._constant.get((octet, count))
        if column is None:
            column = self._constant[octet, count] = np.broadcast_to(np.uint8(octet), count)
        return column

    def _replaced(self, column: NDArray[np.uint8], part: slice, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """``column`` with ``values`` in ``part``; shared where all its octets are the same. Nobody writes to either."""
        changed = column.copy()
        changed[part] = values
        if (changed == changed[0]).all():
            return self._same(int(changed[0]), len(changed))
        changed.flags.writeable = False
        return changed
