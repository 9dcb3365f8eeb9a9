"""Guest memory that is shared with a file: its pages are read from there, and its holes never are."""

from __future__ import annotations

import errno
import functools
import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from domctx.disk import refused
from domctx.errors import DomainError
from domctx.states import BlockSource, PageBatch, PageKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 1 << PAGE_SHIFT


class Run(NamedTuple):
    """Consecutive pages, and whether the file has any octets there."""

    first: int
    pages: int
    there: bool


class RamFile:
    """A block's memory, ``offset`` octets into a file whose descriptor it owns; ``name`` is for messages."""

    def __init__(self, descriptor: int, offset: int, size: int, name: str) -> None:
        self.descriptor, self.offset, self._size, self.name = descriptor, offset, size, name

    @property
    def pages(self) -> int:
        """Pages of the block."""
        return self._size >> PAGE_SHIFT

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """``count`` pages from ``first`` on. Raises DomainError."""
        goal = np.empty((count, PAGE_SIZE), np.uint8)
        self._fill(first, goal)
        return PageBatch(block, first, np.full(count, PageKind.DATA, np.uint8), goal)

    def source(self, block: int) -> BlockSource:
        """The pages as those of block number ``block``: what is a hole now is never read.

        Before anything is read: whoever reads through a mapping fills the holes. Raises DomainError.
        """
        runs = list(self.runs())
        return BlockSource(block, functools.partial(self._read, block, [first for first, _, _ in runs], runs))

    def runs(self) -> Iterator[Run]:
        """The runs of pages, ascending, without a gap."""
        at = 0
        while at < self._size:
            data = self._seek(at, os.SEEK_DATA) // PAGE_SIZE * PAGE_SIZE
            if data > at:
                yield Run(at >> PAGE_SHIFT, (data - at) >> PAGE_SHIFT, False)
            hole = -(-self._seek(data, os.SEEK_HOLE) // PAGE_SIZE) * PAGE_SIZE if data < self._size else data
            if hole > data:
                yield Run(data >> PAGE_SHIFT, (hole - data) >> PAGE_SHIFT, True)
            at = hole

    def filled(self) -> NDArray[np.bool_]:
        """Of each page whether the file has any octets there."""
        found = np.zeros(self.pages, np.bool_)
        for first, count, there in self.runs():
            found[first : first + count] = there
        return found

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)

    def _read(
        self, block: int, firsts: Sequence[int], runs: Sequence[Run], first: int, count: int, buffer: NDArray[np.uint8]
    ) -> PageBatch:
        """Pages of ``block`` into ``buffer``, but for those that are holes by ``runs``."""
        kinds, row = np.full(count, PageKind.ZERO, np.uint8), 0
        goal = buffer.reshape(-1, PAGE_SIZE)
        for start, length, there in runs[bisect_right(firsts, first) - 1 : bisect_left(firsts, first + count)]:
            low, high = max(start, first), min(start + length, first + count)
            if there:
                kinds[low - first : high - first] = PageKind.DATA
                self._fill(low, goal[row : row + high - low])
                row += high - low
        return PageBatch(block, first, kinds, goal[:row])

    def _fill(self, first: int, goal: NDArray[np.uint8]) -> None:
        """Fill ``goal`` u8[n, 4096] from page ``first`` on. Raises DomainError."""
        view, done = goal.data.cast("B") if goal.size else memoryview(b""), 0
        try:
            while done < len(view):
                got = os.preadv(self.descriptor, [view[done:]], self.offset + (first << PAGE_SHIFT) + done)
                if not got:
                    raise DomainError("the guest's memory ends early in its file", file=self.name)
                done += got
        except OSError as error:
            raise refused(error, self.name) from error

    def _seek(self, at: int, what: int) -> int:
        """Where data or a hole begins from ``at`` on, within the block; a file that cannot tell is all data."""
        try:
            return min(os.lseek(self.descriptor, self.offset + at, what) - self.offset, self._size)
        except OSError as error:
            nothing_more = error.errno == errno.ENXIO
            return self._size if nothing_more or what == os.SEEK_HOLE else at
