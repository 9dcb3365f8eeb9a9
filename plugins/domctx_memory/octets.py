"""Runs of octets out of memory that comes in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domctx.states import Memory, PageBatch, PageKind
from domctx_memory.address import AddressMap, Extent
from domctx_memory.layout import record_pages
from domctx_memory.pages import whole


class Piece(NamedTuple):
    """Some octets of a block, and the pages that they came from."""

    octets: NDArray[np.uint8]
    batch: PageBatch


def pieces(memory: Memory, extent: Extent) -> Iterator[Piece]:
    """The octets of ``extent`` in pieces of up to 4 MiB; of pages without contents zeros. Reads no other pages."""
    shift = memory.blocks[extent.block].page_shift
    step = record_pages(shift)
    end = extent.offset + extent.length
    page = extent.offset >> shift
    last = -(-end >> shift)
    while page < last:
        stop = min(last, page + step - page % step)
        batch = memory.read(extent.block, page, stop - page)
        low = max(extent.offset - (page << shift), 0)
        octets = whole(batch, 1 << shift).reshape(-1)[low : end - (page << shift)]
        yield Piece(octets, batch)
        page = stop


class PhysicalReader:
    """A machine's guest-physical memory, by addresses; the state PHYSICAL."""

    def __init__(self, memory: Memory) -> None:
        self._memory, self._space = memory, AddressMap.of_machine(memory.blocks)

    def read(self, address: int, size: int) -> bytes:
        """``size`` octets from ``address`` on; pages without contents are zeros. Raises DomainError: no RAM there."""
        extents = list(self._space.find(address, size))
        return b"".join(piece.octets.tobytes() for extent in extents for piece in pieces(self._memory, extent))


def physical_reader(memory: Memory) -> Callable[[int, int], bytes]:
    """(address, octets): what stands there in guest-physical memory; what ``domctx_x86.walk`` reads with."""
    return PhysicalReader(memory).read


def without_contents(kinds: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pages have no contents to tell: absent, broken, ..."""
    return kinds > PageKind.FILL


def runs(wanted: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """(start, stop) of each run of true values."""
    edges = np.flatnonzero(np.diff(wanted, prepend=False, append=False)).tolist()
    return zip(edges[::2], edges[1::2], strict=True)
