"""Guest memory that is shared with a file: its pages are read from there, and its holes never are."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from domctx.disk import refused
from domctx.errors import DomainError
from domctx.states import PageBatch, PageKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 1 << PAGE_SHIFT


class RamFile:
    """A block's memory, ``offset`` octets into a file whose descriptor it owns; ``name`` is for messages."""

    def __init__(self, descriptor: int, offset: int, size: int, name: str) -> None:
        self.descriptor, self.offset, self._size, self.name = descriptor, offset, size, name

    @property
    def pages(self) -> int:
        """Pages of the block."""
        return self._size >> PAGE_SHIFT

    def batches(self, block: int, pages: int) -> Iterator[PageBatch]:
        """Every page, ascending; the arrays are valid until the next step. Raises DomainError."""
        buffer = np.empty((pages, PAGE_SIZE), np.uint8)
        runs = list(self.runs())  # before anything is read: whoever reads through a mapping fills the holes
        for first, count, there in runs:
            for start in range(first, first + count, pages):
                number = min(pages, first + count - start)
                if there:
                    yield self._batch(block, start, buffer[:number])
                else:
                    yield PageBatch(block, start, np.full(number, PageKind.ZERO, np.uint8), buffer[:0])

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """``count`` pages from ``first`` on. Raises DomainError."""
        return self._batch(block, first, np.empty((count, PAGE_SIZE), np.uint8))

    def runs(self) -> Iterator[tuple[int, int, bool]]:
        """The runs of pages: (first, how many, whether the file has any octets there), ascending, without a gap."""
        at = 0
        while at < self._size:
            data = self._seek(at, os.SEEK_DATA) // PAGE_SIZE * PAGE_SIZE
            if data > at:
                yield at >> PAGE_SHIFT, (data - at) >> PAGE_SHIFT, False
            hole = -(-self._seek(data, os.SEEK_HOLE) // PAGE_SIZE) * PAGE_SIZE if data < self._size else data
            if hole > data:
                yield data >> PAGE_SHIFT, (hole - data) >> PAGE_SHIFT, True
            at = hole

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)

    def _batch(self, block: int, first: int, goal: NDArray[np.uint8]) -> PageBatch:
        view, done = goal.data.cast("B") if goal.size else memoryview(b""), 0
        try:
            while done < len(view):
                got = os.preadv(self.descriptor, [view[done:]], self.offset + (first << PAGE_SHIFT) + done)
                if not got:
                    raise DomainError("the guest's memory ends early in its file", file=self.name)
                done += got
        except OSError as error:
            raise refused(error, self.name) from error
        return PageBatch(block, first, np.full(len(goal), PageKind.DATA, np.uint8), goal)

    def _seek(self, at: int, what: int) -> int:
        """Where data or a hole begins from ``at`` on, within the block; a file that cannot tell is all data."""
        try:
            return min(os.lseek(self.descriptor, self.offset + at, what) - self.offset, self._size)
        except OSError as error:
            nothing_more = error.errno == errno.ENXIO
            return self._size if nothing_more or what == os.SEEK_HOLE else at
