"""Batches as their source gives them become windows as records hold them.

A window is up to 4 MiB of one block, cut where the page number is a multiple of a record's pages, whatever batches its
pages came in; so one state gives one sequence of windows. Pages of one repeated octet become ZERO or FILL. A window has
types where any of its pages has; the others are NOTAB then.

What passes is copied into windows as it comes; what threads may read is read by them, a window at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from domctx.api import RamBlock
from domctx.errors import PluginError
from domctx.states import BlockSource, PageBatch, PageKind
from domctx.values import frozen
from domctx_memory import pages, scan
from domctx_memory.buffers import Buffers
from domctx_memory.layout import record_pages


@frozen(eq=False)
class Window:
    """The pages of one record. ``batch`` owns its arrays; its pages stand in ``buffer``, to be given back."""

    batch: PageBatch
    page_shift: int
    buffer: NDArray[np.uint8]

    def read(self, buffers: Buffers) -> Window:
        """Itself: its pages came with it."""
        return self


@frozen(eq=False)
class Extent:
    """The pages of a window that are not read yet; any thread may."""

    source: BlockSource
    blocks: Sequence[RamBlock]
    first: int
    count: int

    def read(self, buffers: Buffers) -> Window:
        """The window. Raises PluginError or DomainError for a batch that cannot be (``check_batch``)."""
        buffer = buffers.take()
        batch = self.source.read(self.first, self.count, buffer)
        shift = pages.check_batch(batch, self.blocks).page_shift
        if (batch.block, batch.first, batch.count) != (self.source.block, self.first, self.count):
            raise PluginError("a source gave other pages than it was asked for", expected=self.count, got=batch.count)
        piece = _normal(attrs.evolve(batch, pages=np.ascontiguousarray(batch.pages)))
        data = pages.together(piece.pages, piece.rows, buffer.reshape(-1, 1 << shift))
        return Window(piece.batch(data), shift, buffer)


def windows(
    batches: Iterable[PageBatch | BlockSource], blocks: Sequence[RamBlock], buffers: Buffers
) -> Iterator[Window | Extent]:
    """The windows of ``batches``; those of blocks that threads may read are left to them.

    Raises PluginError or DomainError for a batch that cannot be (``check_batch``).
    """
    pages.check_blocks(blocks)
    opened: _Open | None = None
    for batch in batches:
        if isinstance(batch, BlockSource):
            if opened is not None:
                yield opened.close()
                opened = None
            yield from _extents(batch, blocks)
            continue
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


def _extents(source: BlockSource, blocks: Sequence[RamBlock]) -> Iterator[Extent]:
    block = blocks[source.block]
    limit = record_pages(block.page_shift)
    for first in range(0, block.pages, limit):
        yield Extent(source, blocks, first, min(limit, block.pages - first))


@frozen(eq=False)
class _Piece:
    """Consecutive pages with their kinds in the one form, not yet copied: ``rows`` of ``pages`` are their DATA."""

    block: int
    first: int
    kinds: NDArray[np.uint8]
    octets: NDArray[np.uint8]
    types: NDArray[np.uint8] | None
    pages: NDArray[np.uint8]
    rows: NDArray[np.intp]

    def batch(self, pages: NDArray[np.uint8]) -> PageBatch:
        """The piece as a batch, whose DATA is ``pages``."""
        fills = self.octets[self.kinds == PageKind.FILL]
        return PageBatch(self.block, self.first, self.kinds, pages, fills, self.types)


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
