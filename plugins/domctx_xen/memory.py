"""The pages of a stream, read straight from the file wherever they stand in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from domctx.api import Placement, RamBlock
from domctx.errors import DomainError, UnsupportedError
from domctx.files import StreamFile
from domctx.states import BlockSource, PageBatch, PageKind
from domctx_memory.silence import believed
from domctx_memory.sources import in_batches
from domctx_xen.layout import BROKEN, PAGE_SIZE, XALLOC, XTAB
from domctx_xen.runs import Columns, carries

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK: Final = "ram"
SPARSE: Final = 16
"""A larger guest may have this many pages for each that the stream tells of."""

KINDS: Final = np.full(16, PageKind.DATA, np.uint8)
"""The kind of a page by its type in the stream."""
KINDS[[BROKEN, XALLOC, XTAB]] = (PageKind.BROKEN, PageKind.POPULATE, PageKind.INVALID)
KINDS.flags.writeable = False


def ram_block(pages: int) -> RamBlock:
    """The one block of a domain: its PFNs are its addresses."""
    size = pages * PAGE_SIZE
    return RamBlock(BLOCK, size, placements=(Placement(0, 0, size),))


def check_silence(pages: int, runs: Columns) -> None:
    """Refuse a stream that claims pages without telling of them. Raises UnsupportedError."""
    told = int(runs.counts.sum())
    if pages > believed(told, SPARSE):
        raise UnsupportedError(
            "the stream is silent about nearly all of its pages",
            expected=f"at most {SPARSE} pages for each of the 0x{told:x} that it tells of",
            got=f"0x{pages:x}",
        )


class XenMemory:
    """MEMORY of an opened stream; nothing can be stored.

    ``typed``: types come with the pages, since PAGE_TABLES does not hold them.
    """

    def __init__(self, file: StreamFile, runs: Columns, pages: int, *, typed: bool) -> None:
        self._file, self._runs, self._typed = file, runs, typed
        self._blocks = (ram_block(pages),)

    @property
    def blocks(self) -> Sequence[RamBlock]:
        """The one block."""
        return self._blocks

    def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
        """Every page, ascending; the arrays are valid until the next step. Raises StreamError."""
        return in_batches(self.sources(), self._blocks, pages)

    def sources(self, pages: int = 1024) -> Iterator[BlockSource | PageBatch]:
        """The one block, for threads to read."""
        yield BlockSource(0, self._batch)

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """Pages at random. Raises DomainError outside of the block."""
        pages = self._blocks[0].pages
        if block or first < 0 or count < 0 or first + count > pages:
            expected, got = f"block 0, pages below 0x{pages:x}", f"block {block}, 0x{first:x} + 0x{count:x}"
            raise DomainError("there are no such pages", file=self._file.name, expected=expected, got=got)
        return self._batch(first, count, np.empty(count * PAGE_SIZE, np.uint8))

    def kinds(self, block: int, first: int, count: int) -> NDArray[np.uint8]:
        """The PageKind of pages of the block, without reading them."""
        lows, counts, runs = self._told(first, count)
        return _spread(lows - first, counts, runs.types, count)[0]

    def store(self, batch: PageBatch) -> None:
        """Raises DomainError."""
        raise DomainError("an opened file takes no pages", file=self._file.name)

    def _told(self, first: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Columns]:
        """First page and number of those of each run that tells of some pages, and the runs."""
        found = self._runs.within(first, count)
        runs = self._runs.take(slice(found.start, found.stop))
        lows = np.maximum(runs.firsts, first)
        return lows, np.minimum(runs.ends, first + count) - lows, runs

    def _batch(self, first: int, count: int, buffer: NDArray[np.uint8]) -> PageBatch:
        lows, counts, runs = self._told(first, count)
        data = carries(runs.types)
        kinds, types = _spread(lows - first, counts, runs.types, count)
        rows = int(counts[data].sum())
        goal = buffer.reshape(-1, PAGE_SIZE)[:rows]
        offsets = (runs.offsets + (lows - runs.firsts) * PAGE_SIZE)[data]
        self._fetch(offsets, counts[data], goal)
        typed = types if self._typed and types.any() else None
        return PageBatch(0, first, kinds, goal, types=typed)

    def _fetch(self, offsets: NDArray[np.int64], counts: NDArray[np.int64], goal: NDArray[np.uint8]) -> None:
        """Read runs of pages one behind the other; those that stand together in the file at once."""
        if not len(offsets):
            return
        cuts = np.flatnonzero(np.diff(offsets) != counts[:-1] * PAGE_SIZE) + 1
        starts = np.concatenate((np.zeros(1, np.intp), cuts))
        rows = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
        stops = rows[np.append(starts[1:], len(counts))]
        for offset, low, high in zip(offsets[starts].tolist(), rows[starts].tolist(), stops.tolist(), strict=True):
            self._file.rows(offset, goal[low:high])


def _spread(
    lows: NDArray[np.int64], counts: NDArray[np.int64], types: NDArray[np.uint8], count: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The kind of each page, and its PageType; pages that no run tells of are ABSENT."""
    kinds, page_types = np.full(count, PageKind.ABSENT, np.uint8), np.zeros(count, np.uint8)
    told = int(counts.sum())
    if told:
        ends = np.cumsum(counts)
        places = np.arange(told) + np.repeat(lows - (ends - counts), counts)
        each = np.repeat(types, counts)
        kinds[places] = KINDS[each]
        page_types[places] = np.where(carries(each), each, 0)
    return kinds, page_types
