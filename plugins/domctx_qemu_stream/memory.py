"""The pages of a stream, read straight from the file wherever they stand in it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from domctx.api import RamBlock
from domctx.errors import DomainError
from domctx.states import BlockSource, PageBatch, PageKind, ScatteredPages
from domctx_memory.sources import in_batches
from domctx_qemu_stream.layout import PAGE_SIZE
from domctx_qemu_stream.runs import NONE, Place, Settled, stride

CHUNK: Final = 64
"""Pages that are read at once where words stand between them: a core's cache holds them until they are in place."""
KINDS: Final = np.arange(len(PageKind), dtype=np.uint8).reshape(-1, 1)
"""The kinds of one page of each kind, u8[1] each; read-only."""
KINDS.flags.writeable = False
DATA: Final = KINDS[PageKind.DATA]
ZERO: Final = KINDS[PageKind.ZERO]
ONE: Final = (1, PAGE_SIZE)
OCTET: Final = np.dtype(np.uint8)
NO_PAGES: Final = np.empty((0, PAGE_SIZE), np.uint8)
STRIDES: Final = np.array([stride(place) for place in range(Place.FILE + 1)], np.int64)
"""``stride`` by place; all files have that of the last."""
STRIDES.flags.writeable = False


class Rows(Protocol):
    """Where pages can be read."""

    def page(self, offset: int) -> bytes:
        """The page at ``offset``."""

    def pages(self, offsets: Iterable[int], goals: Iterable[memoryview]) -> None:
        """Fill each of ``goals``, 4096 octets, with the page at its offset."""

    def rows(self, offset: int, goal: NDArray[np.uint8]) -> None:
        """Fill ``goal`` u8[n, m] from ``offset`` on."""


class QemuMemory:
    """MEMORY of an opened stream; nothing can be stored.

    ``missing`` says for each block what a page is of which the stream does not tell.
    """

    def __init__(
        self,
        name: str,
        blocks: Sequence[RamBlock],
        runs: Sequence[Settled],
        missing: Sequence[PageKind],
        places: Mapping[int, Rows],
    ) -> None:
        self._name, self._blocks = name, tuple(blocks)
        self._pages = [block.pages for block in blocks]
        self._runs, self._missing, self._places = runs, missing, places

    @property
    def blocks(self) -> Sequence[RamBlock]:
        """The blocks, in the order in which the stream lists them."""
        return self._blocks

    def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
        """Every page of every block, ascending; the arrays are valid until the next step. Raises StreamError."""
        return in_batches(self.sources(), self._blocks, pages)

    def sources(self, pages: int = 1024) -> Iterator[BlockSource | PageBatch]:
        """The blocks, for threads to read."""
        for index in range(len(self._blocks)):
            yield BlockSource(index, functools.partial(self._batch, index))

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """Pages at random. Raises DomainError outside of the block."""
        if not (0 <= block < len(self._pages) and 0 <= first <= first + count <= self._pages[block]):
            raise self._outside(block, first, count)
        if count != 1:
            return self._batch(block, first, count, np.empty(count * PAGE_SIZE, np.uint8))
        found = self._runs[block].at(first)  # one page is what many readers ask for: no arrays are needed to find it
        if found is None:
            return PageBatch(block, first, KINDS[self._missing[block]], NO_PAGES)
        place, offset = found
        if place:
            return PageBatch(block, first, DATA, np.ndarray(ONE, OCTET, self._places[place].page(offset)))
        if offset:
            return PageBatch(block, first, KINDS[PageKind.FILL], NO_PAGES, np.full(1, offset, np.uint8))
        return PageBatch(block, first, ZERO, NO_PAGES)

    def scattered(self, block: int, pages: NDArray[np.int64]) -> ScatteredPages:
        """Pages from all over a block. Raises DomainError outside of it."""
        low, high = (int(pages.min()), int(pages.max())) if len(pages) else (0, -1)
        if not (0 <= block < len(self._pages) and low >= 0 and high < self._pages[block]):
            raise self._outside(block, low, high - low + 1)
        places, offsets = _find(self._runs[block], pages)
        kinds = np.full(len(pages), self._missing[block], np.uint8)
        filled = places == Place.FILL
        kinds[filled] = np.where(offsets[filled] != 0, PageKind.FILL, PageKind.ZERO)
        octets = np.empty((len(pages), PAGE_SIZE), np.uint8)
        alike = places <= Place.FILL
        octets[alike] = np.where(filled, offsets, 0).astype(np.uint8)[alike, np.newaxis]
        for place in np.unique(places[~alike]).tolist():
            rows = np.flatnonzero(places == place)
            kinds[rows] = PageKind.DATA
            self._scattered(place, rows, offsets[rows], octets)
        return ScatteredPages(kinds, octets)

    def store(self, batch: PageBatch) -> None:
        """Raises DomainError."""
        raise DomainError("an opened file takes no pages", file=self._name)

    def _outside(self, block: int, first: int, count: int) -> DomainError:
        """What is wrong with a request."""
        if not 0 <= block < len(self._pages):
            return DomainError("there is no such RAM block", expected=f"below {len(self._pages)}", got=block)
        expected, got = f"pages below 0x{self._pages[block]:x}", f"0x{first:x} + 0x{count:x}"
        return DomainError("there are no such pages", file=self._name, expected=expected, got=got)

    def _batch(self, block: int, first: int, count: int, buffer: NDArray[np.uint8]) -> PageBatch:
        runs = self._runs[block]
        found = runs.within(first, count)
        part = slice(found.start, found.stop)
        lows = np.maximum(runs.firsts[part], first)
        counts = np.minimum(runs.ends[part], first + count) - lows
        places = runs.places[part]
        offsets = runs.offsets[part] + _steps(places) * (lows - runs.firsts[part])
        kinds = np.full(count, self._missing[block], np.uint8)
        rows = int(counts[places != Place.FILL].sum())
        goal = buffer.reshape(-1, PAGE_SIZE)[:rows]
        fills: list[NDArray[np.uint8]] = []
        row = 0
        columns = zip((lows - first).tolist(), counts.tolist(), offsets.tolist(), places.tolist(), strict=True)
        for low, length, offset, place in columns:
            if place != Place.FILL:
                kinds[low : low + length] = PageKind.DATA
                self._rows(place, offset, goal[row : row + length])
                row += length
            elif offset:
                kinds[low : low + length] = PageKind.FILL
                fills.append(np.full(length, offset, np.uint8))
            else:
                kinds[low : low + length] = PageKind.ZERO
        return PageBatch(block, first, kinds, goal, np.concatenate(fills) if fills else None)

    def _scattered(
        self, place: int, rows: NDArray[np.intp], offsets: NDArray[np.int64], goal: NDArray[np.uint8]
    ) -> None:
        """Fill ``rows`` of ``goal`` from ``offsets``; those that stand together there and here by one read."""
        cuts = np.flatnonzero((np.diff(rows) != 1) | (np.diff(offsets) != stride(place))) + 1
        starts, lengths = np.append(0, cuts), np.diff(cuts, prepend=0, append=len(rows))
        alone, octets = starts[lengths == 1], goal.data.cast("B")
        goals = (octets[low : low + PAGE_SIZE] for low in (rows[alone] * PAGE_SIZE).tolist())
        self._places[place].pages(offsets[alone].tolist(), goals)
        joined = starts[lengths > 1]
        columns = zip(rows[joined].tolist(), lengths[lengths > 1].tolist(), offsets[joined].tolist(), strict=True)
        for row, length, offset in columns:
            self._rows(place, offset, goal[row : row + length])

    def _rows(self, place: int, offset: int, goal: NDArray[np.uint8]) -> None:
        source = self._places[place]
        step = stride(place)
        if step == PAGE_SIZE or len(goal) == 1:
            source.rows(offset, goal)
            return
        scratch = np.empty((1, min(len(goal), CHUNK) * step), np.uint8)
        for start in range(0, len(goal), CHUNK):
            part = goal[start : start + CHUNK]
            octets = scratch[:, : len(part) * step - (step - PAGE_SIZE)]
            source.rows(offset + start * step, octets)
            part[:] = np.ndarray(part.shape, np.uint8, octets.data, 0, (step, 1))


def _steps(places: NDArray[np.int32]) -> NDArray[np.int64]:
    """``stride`` of each place."""
    return STRIDES[np.minimum(places, Place.FILE)]


def _find(runs: Settled, pages: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Place and offset of each page; NONE where no run has it."""
    if not len(runs.firsts):
        return np.full(len(pages), NONE, np.int32), np.zeros(len(pages), np.int64)
    found = np.maximum(runs.firsts.searchsorted(pages, side="right") - 1, 0)
    inside = pages - runs.firsts[found]
    told = (inside >= 0) & (inside < runs.counts[found])
    places = np.where(told, runs.places[found], NONE)
    return places, runs.offsets[found] + inside * _steps(places)
