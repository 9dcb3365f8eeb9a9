"""Pages that a stream tells of, in the order in which it does, put together as batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from domctx.states import PageBatch, PageKind
from domctx_qemu_stream.layout import PAGE_SIZE
from domctx_qemu_stream.runs import Place, stride

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRIDE: Final = stride(Place.STREAM)
LONG: Final = 64
"""Pages of a run from which on it is a batch by itself, whose pages are views of the stream: none is copied here."""


class Piece(NamedTuple):
    """A run of pages as the stream tells of it: see ``Runs.add``."""

    block: int
    first: int
    length: int
    offset: int
    place: int


class Batching:
    """Makes batches of at most ``pages`` pages, and remembers of which pages of each block it was told."""

    def __init__(self, sizes: Sequence[int], pages: int) -> None:
        self._sizes, self._limit = sizes, pages
        self._kinds = np.empty(pages, np.uint8)
        self._fills = np.empty(pages, np.uint8)
        self._rows = np.empty((pages, PAGE_SIZE), np.uint8)
        self._seen = [Seen() for _ in sizes]
        self._block = self._first = self._count = self._row = self._fill = 0

    @property
    def told(self) -> Sequence[bool]:
        """Of each block whether there was any page of it."""
        return [bool(seen) for seen in self._seen]

    def batches(self, pieces: Sequence[Piece], view: memoryview, base: int) -> Iterator[PageBatch]:
        """The batches of ``pieces``, whose contents stand in ``view``, which begins at ``base`` in the stream.

        Their arrays are valid until the next step; pages need not stand one directly behind the other.
        """
        for piece in pieces:
            self._seen[piece.block].add(piece.first, piece.first + piece.length)
            if piece.place == Place.STREAM and piece.length >= LONG:
                if self._count:
                    yield self._close()
                yield from self._views(piece, view, base)
                continue
            done = 0
            while done < piece.length:
                first = piece.first + done
                follows = (piece.block, first) == (self._block, self._first + self._count)
                if self._count == self._limit or (self._count and not follows):
                    yield self._close()
                if not self._count:
                    self._block, self._first = piece.block, first
                count = min(piece.length - done, self._limit - self._count)
                self._add(piece, done, count, view, base)
                done += count
        if self._count:
            yield self._close()

    def missing(self, block: int) -> Iterator[PageBatch]:
        """Batches of zeros for the pages of a block of which nothing told."""
        for low, high in self._seen[block].gaps(self._sizes[block]):
            for first in range(low, high, self._limit):
                kinds = np.full(min(self._limit, high - first), PageKind.ZERO, np.uint8)
                yield PageBatch(block, first, kinds, self._rows[:0], self._fills[:0])

    def _views(self, piece: Piece, view: memoryview, base: int) -> Iterator[PageBatch]:
        for done in range(0, piece.length, self._limit):
            count = min(piece.length - done, self._limit)
            pages = pages_at(view, piece.offset - base + done * STRIDE, count)
            yield PageBatch(piece.block, piece.first + done, np.full(count, PageKind.DATA, np.uint8), pages)

    def _add(self, piece: Piece, done: int, count: int, view: memoryview, base: int) -> None:
        part = slice(self._count, self._count + count)
        if piece.place == Place.STREAM:
            self._kinds[part] = PageKind.DATA
            offset = piece.offset - base + done * STRIDE
            self._rows[self._row : self._row + count] = pages_at(view, offset, count)
            self._row += count
        elif piece.offset:
            self._kinds[part] = PageKind.FILL
            self._fills[self._fill : self._fill + count] = piece.offset
            self._fill += count
        else:
            self._kinds[part] = PageKind.ZERO
        self._count += count

    def _close(self) -> PageBatch:
        kinds, pages, fills = self._kinds[: self._count], self._rows[: self._row], self._fills[: self._fill]
        batch = PageBatch(self._block, self._first, kinds, pages, fills)
        self._count = self._row = self._fill = 0
        return batch


def pages_at(view: memoryview, offset: int, count: int) -> NDArray[np.uint8]:
    """Pages that stand in a stream one behind the other, each behind its word: u8[count, 4096], a view."""
    return np.ndarray((count, PAGE_SIZE), np.uint8, view, offset, (STRIDE, 1))


class Seen:
    """Ranges of pages: what comes one behind the other is one range."""

    LIMIT: Final = 1 << 16
    """Ranges that are kept before they are put together."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        self._limit = self.LIMIT

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def add(self, low: int, high: int) -> None:
        """Pages ``low`` .. ``high``."""
        if self._ranges and self._ranges[-1][1] == low:
            self._ranges[-1] = (self._ranges[-1][0], high)
            return
        if len(self._ranges) >= self._limit:
            self._ranges = self._together()
            self._limit = max(self.LIMIT, 2 * len(self._ranges))
        self._ranges.append((low, high))

    def gaps(self, size: int) -> Iterator[tuple[int, int]]:
        """The ranges below ``size`` that were never added, ascending."""
        start = 0
        for low, high in self._together():
            if start < min(low, size):
                yield start, min(low, size)
            start = high
        if start < size:
            yield start, size

    def _together(self) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for low, high in sorted(self._ranges):
            if found and low <= found[-1][1]:
                found[-1] = (found[-1][0], max(found[-1][1], high))
            else:
                found.append((low, high))
        return found
