"""The memory of an opened snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acme_vmm.layout import PAGE_SIZE
from domctx.api import RamBlock
from domctx.errors import DomainError
from domctx.files import StreamFile
from domctx.states import BlockSource, PageBatch, PageKind


class VmmMemory:
    """MEMORY of a snapshot. Any number of threads may read it; nothing can be stored."""

    def __init__(self, file: StreamFile, block: RamBlock, runs: NDArray[Any], start: int) -> None:
        """``runs`` is an array of the fields of Run; the first page stands at ``start``."""
        self._file, self._block = file, block
        self._firsts = runs["first"].astype(np.int64)
        counts = runs["count"].astype(np.int64)
        self._ends = self._firsts + counts
        self._places = start + (np.cumsum(counts) - counts) * PAGE_SIZE

    @property
    def blocks(self) -> Sequence[RamBlock]:
        """The one block."""
        return (self._block,)

    def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
        """Every page."""
        for first in range(0, self._block.pages, pages):
            yield self.read(0, first, min(pages, self._block.pages - first))

    def sources(self, pages: int = 1024) -> Iterator[BlockSource]:
        """The block, for threads to read."""
        yield BlockSource(0, self._batch)

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """Some pages. Raises DomainError outside the block, StreamError where the file was cut meanwhile."""
        if block != 0 or first < 0 or count < 0 or first + count > self._block.pages:
            raise DomainError("there are no such pages", file=self._file.name, expected=f"below {self._block.pages}")
        return self._batch(first, count, np.empty(count * PAGE_SIZE, np.uint8))

    def _batch(self, first: int, count: int, buffer: NDArray[np.uint8]) -> PageBatch:
        kinds = np.full(count, PageKind.ZERO, np.uint8)
        pages = buffer[: count * PAGE_SIZE].reshape(count, PAGE_SIZE)
        done = 0
        low = int(self._ends.searchsorted(first, "right"))
        high = int(self._firsts.searchsorted(first + count, "left"))
        for run in range(low, high):
            start, stop = max(first, int(self._firsts[run])), min(first + count, int(self._ends[run]))
            place = int(self._places[run]) + (start - int(self._firsts[run])) * PAGE_SIZE
            self._file.rows(place, pages[done : done + stop - start])
            kinds[start - first : stop - first] = PageKind.DATA
            done += stop - start
        return PageBatch(0, first, kinds, pages[:done])

    def store(self, batch: PageBatch) -> None:
        """Raises DomainError."""
        raise DomainError("an opened file takes no pages", file=self._file.name)
