"""Batches as their source gives them become windows as records hold them.

A window is up to 4 MiB of one block, cut where the page number is a multiple of a record's pages, whatever batches its
pages came in; so one state gives one sequence of windows. Pages of one repeated octet become ZERO or FILL. A window has
types where any of its pages has; the others are NOTAB then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from domctx.api import RamBlock
from domctx.states import PageBatch, PageKind
from domctx_memory import pages, scan
from domctx_memory.buffers import Buffers
from domctx_memory.layout import record_pages


@attrs.frozen(eq=False)
class Window:
    """The pages of one record. ``batch`` owns its arrays; its pages stand in ``buffer``, to be given back."""

    batch: PageBatch
    page_shift: int
    buffer: NDArray[np.uint8]


def batch_pages(blocks: Sequence[RamBlock]) -> int:
    """How many pages to ask a source for at a time: what one record holds of the block with the largest pages."""
    pages.check_blocks(blocks)
    return min((record_pages(block.page_shift) for block in blocks), default=1)


def windows(batches: Iterable[PageBatch], blocks: Sequence[RamBlock], buffers: Buffers) -> Iterator[Window]:
    """The windows of ``batches``. Raises PluginError or DomainError for a batch that cannot be (``check_batch``)."""
    pages.check_blocks(blocks)
    opened: _Open | None = None
    for batch in batches:
        block = pages.check_batch(batch, blocks)
        for piece in _pieces(_normal(batch), record_pages(block.page_shift)):
            if opened is not None and not opened.goes_on_with(piece):
                yield opened.close()
                opened = None
            if opened is None:
                opened = _Open(piece, block.page_shift, buffers.take())
            opened.add(piece)
    if opened is not None:
        yield opened.close()


@attrs.frozen(eq=False)
class _Piece:
    """Consecutive pages with their kinds in the one form, not yet copied: ``rows`` of ``pages`` are their DATA."""

    block: int
    first: int
    kinds: NDArray[np.uint8]
    octets: NDArray[np.uint8]
    types: NDArray[np.uint8] | None
    pages: NDArray[np.uint8]
    rows: NDArray[np.intp]


def _normal(batch: PageBatch) -> _Piece:
    """The batch as a piece: its kinds in the one form that a state has."""
    kinds = batch.kinds.copy()
    octets = pages.fills_by_page(kinds, batch.fills)
    same = scan.uniform(batch.pages)
    places = np.flatnonzero(kinds == PageKind.DATA)[same]
    kinds[places] = PageKind.FILL
    octets[places] = batch.pages[same, 0]
    kinds[(kinds == PageKind.FILL) & (octets == 0)] = PageKind.ZERO
    return _Piece(batch.block, batch.first, kinds, octets, batch.types, batch.pages, np.flatnonzero(~same))


def _pieces(piece: _Piece, limit: int) -> Iterator[_Piece]:
    """``piece`` cut where the page number is a multiple of ``limit``."""
    count = len(piece.kinds)
    start, row = 0, 0
    while start < count:
        stop = min(count, start + limit - (piece.first + start) % limit)
        kinds = piece.kinds[start:stop]
        rows = pages.count_kind(kinds, PageKind.DATA)
        yield _Piece(
            piece.block,
            piece.first + start,
            kinds,
            piece.octets[start:stop],
            None if piece.types is None else piece.types[start:stop],
            piece.pages,
            piece.rows[row : row + rows],
        )
        start, row = stop, row + rows


class _Open:
    """A window that pages are still put into."""

    def __init__(self, piece: _Piece, page_shift: int, buffer: NDArray[np.uint8]) -> None:
        self._block, self._first, self._typed = piece.block, piece.first, False
        self._shift, self._buffer = page_shift, buffer
        self._limit = record_pages(page_shift)
        self._pages = buffer.reshape(self._limit, 1 << page_shift)
        self._columns = np.zeros((3, self._limit - piece.first % self._limit), np.uint8)
        self._count = self._rows = 0

    def goes_on_with(self, piece: _Piece) -> bool:
        """Whether ``piece`` follows directly and belongs to the same record."""
        follows = (piece.block, piece.first) == (self._block, self._first + self._count)
        return follows and piece.first % self._limit != 0

    def add(self, piece: _Piece) -> None:
        """Copy the pages of ``piece``."""
        stop = self._count + len(piece.kinds)
        self._typed = self._typed or piece.types is not None
        for column, values in zip(self._columns, (piece.kinds, piece.octets, piece.types), strict=True):
            if values is not None:
                column[self._count : stop] = values
        rows = len(piece.rows)
        if rows:
            goal = self._pages[self._rows : self._rows + rows]
            low, high = int(piece.rows[0]), int(piece.rows[-1]) + 1
            if high - low == rows:
                goal[:] = piece.pages[low:high]
            else:
                np.take(piece.pages, piece.rows, axis=0, out=goal, mode="clip")
        self._count, self._rows = stop, self._rows + rows

    def close(self) -> Window:
        """The window, whole."""
        kinds, octets, types = self._columns[:, : self._count]
        batch = PageBatch(
            block=self._block,
            first=self._first,
            kinds=kinds,
            pages=self._pages[: self._rows],
            fills=octets[kinds == PageKind.FILL],
            types=types if self._typed else None,
        )
        return Window(batch, self._shift, self._buffer)
