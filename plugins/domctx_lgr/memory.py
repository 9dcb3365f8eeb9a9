"""The pages of a LinuxGuestRecord: streamed in order, or read at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from domctx.api import Placement, RamBlock
from domctx.errors import DomainError, StreamError
from domctx.files import CutError
from domctx.states import PageBatch, PageKind
from domctx_lgr.content import Content, Contiguous
from domctx_lgr.files import Octets, Stream
from domctx_lgr.inflate import GzipFile
from domctx_memory.pages import together
from domctx_memory.scan import uniform
from domctx_x86 import PAGE_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.uint8]

Fill = Callable[[int, memoryview], int]
"""(offset in the file, view): fills the view, and tells how many octets there were."""


def _in_order(stream: Stream) -> Fill:
    """Fills from a stream that stands where the next octets are wanted."""
    return lambda offset, view: stream.fill(view)


def ram_block(pfns: int) -> RamBlock:
    """The one block of a domain of ``pfns`` pages."""
    size = pfns * PAGE_SIZE
    return RamBlock("ram", size, placements=(Placement(0, 0, size),))


class LgrMemory:
    """MEMORY of an opened file; nothing can be stored. Types stand in PAGE_TABLES, not with the pages."""

    def __init__(self, octets: Octets, content: Content) -> None:
        self._octets = octets
        self._content = content

    @property
    def blocks(self) -> Sequence[RamBlock]:
        """The one block."""
        return (ram_block(self._content.header.nr_pfns),)

    def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
        """Every page, ascending; the arrays are valid until the next step.

        Raises StreamError for a file that is cut, and at the end for a gzip file that is damaged or goes on.
        """
        pfns, places = self._content.header.nr_pfns, self._content.places
        buffer = np.empty((min(pages, pfns), PAGE_SIZE), dtype=np.uint8)
        fill: Fill = self._octets.fill
        if isinstance(places, Contiguous):
            fill = _in_order(self._octets.stream(places.start))
        for first in range(0, pfns, len(buffer)):
            yield self._batch(first, min(len(buffer), pfns - first), buffer, fill)
        if isinstance(places, Contiguous):
            self._finish(fill)

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """Pages at random. Raises DomainError outside of the block."""
        pfns = self._content.header.nr_pfns
        if block or first < 0 or count < 0 or first + count > pfns:
            expected, got = f"block 0, pages below 0x{pfns:08x}", f"block {block}, 0x{first:08x} + 0x{count:x}"
            raise DomainError("there are no such pages", file=self._octets.name, expected=expected, got=got)
        return self._batch(first, count, np.empty((count, PAGE_SIZE), dtype=np.uint8), self._octets.fill)

    def store(self, batch: PageBatch) -> None:
        """Raises DomainError."""
        raise DomainError("an opened file takes no pages", file=self._octets.name)

    def _batch(self, first: int, count: int, buffer: Rows, fill: Fill) -> PageBatch:
        present = self._content.places.present(first, count)
        kinds = np.where(present, np.uint8(PageKind.DATA), np.uint8(self._content.missing))
        pages = self._fetch(first, count, buffer, fill)
        zero = uniform(pages) & (pages[:, 0] == 0)
        if zero.any():
            kinds[np.flatnonzero(present)[zero]] = PageKind.ZERO
            pages = together(pages, np.flatnonzero(~zero), buffer)
        return PageBatch(0, first, kinds, pages)

    def _fetch(self, first: int, count: int, buffer: Rows, fill: Fill) -> Rows:
        """The pages that are in the file, in the first rows of ``buffer``."""
        view, done = buffer.reshape(-1).data, 0
        for offset, run in self._content.places.runs(first, count):
            wanted = view[done : done + run * PAGE_SIZE]
            got = fill(offset, wanted)
            if got < len(wanted):
                raise CutError("the file ends early, in its pages", file=self._octets.name, offset=offset + got)
            done += got
        return buffer[: done // PAGE_SIZE]

    def _finish(self, fill: Fill) -> None:
        """Read on where a gzip file should end: its checksum comes now, and octets that its trailer denies."""
        end = self._content.end
        if not isinstance(self._octets, GzipFile) or not fill(end, memoryview(bytearray(1))):
            return
        if self._octets.promised() == end & 0xFFFF_FFFF:
            raise StreamError(
                "the gzip file goes on behind the size that its last octets promise",
                file=self._octets.name,
                offset=end,
            )
