"""Runs of octets out of memory that comes in pages."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domctx.api import RamBlock
from domctx.states import Memory, PageKind
from domctx_memory.address import AddressMap, Extent
from domctx_memory.layout import RECORD_OCTETS
from domctx_memory.pages import whole
from domctx_memory.scattered import scattered


class Piece(NamedTuple):
    """Some octets of a block, and the pages that they came from: ``pages`` i64[n], ``kinds`` u8[n] of PageKind."""

    octets: NDArray[np.uint8]
    block: int
    pages: NDArray[np.int64]
    kinds: NDArray[np.uint8]

    def stretches(self, values: NDArray[Any]) -> Iterator[tuple[int, int]]:
        """(start, stop) of each stretch of consecutive pages that have one and the same of ``values`` [n]."""
        edges = np.flatnonzero((np.diff(self.pages) != 1) | (np.diff(values) != 0)) + 1
        return itertools.pairwise((0, *edges.tolist(), len(self.pages)))


def pieces(memory: Memory, extents: Iterable[Extent]) -> Iterator[Piece]:
    """The octets of ``extents``, one behind the other, in pieces of up to 4 MiB; of pages without contents zeros.

    Reads no other pages; those of extents from all over a block at once.
    """
    for group in _groups(memory.blocks, extents):
        yield _alone(memory, group[0]) if len(group) == 1 else _together(memory, group)


def _alone(memory: Memory, part: Extent) -> Piece:
    """The octets of one extent."""
    size = 1 << memory.blocks[part.block].page_shift
    first, low = divmod(part.offset, size)
    batch = memory.read(part.block, first, -(-part.stop // size) - first)
    octets = whole(batch, size).reshape(-1)[low : low + part.length]
    return Piece(octets, part.block, np.arange(first, first + batch.count), batch.kinds)


def _together(memory: Memory, group: Sequence[Extent]) -> Piece:
    """The octets of extents of one block, which are whole pages where they meet."""
    block, size = group[0].block, 1 << memory.blocks[group[0].block].page_shift
    pages = _pages(group, size)
    found = scattered(memory, block, pages)
    low = group[0].offset % size
    octets = found.octets.reshape(-1)[low : low + sum(part.length for part in group)]
    return Piece(octets, block, pages, found.kinds)


def _pages(group: Sequence[Extent], size: int) -> NDArray[np.int64]:
    """The pages of ``size`` octets that hold extents."""
    edges = np.array([(part.offset // size, -(-part.stop // size)) for part in group], np.int64)
    counts = edges[:, 1] - edges[:, 0]
    ends = np.cumsum(counts)
    return np.arange(ends[-1]) + np.repeat(edges[:, 1] - ends, counts)


def _groups(blocks: Sequence[RamBlock], extents: Iterable[Extent]) -> Iterator[list[Extent]]:
    """Extents that are read at once: of one block, whole pages where they meet, no more than a record's."""
    group: list[Extent] = []
    room = 0
    for part in _parts(blocks, extents):
        _, block, offset, length = part
        size = 1 << blocks[block].page_shift
        if length > room or block != group[0].block or offset % size or group[-1].stop % size:
            if group:
                yield group
            group, room = [], RECORD_OCTETS - offset % size
        group.append(part)
        room -= length
    if group:
        yield group


def _parts(blocks: Sequence[RamBlock], extents: Iterable[Extent]) -> Iterator[Extent]:
    """``extents``, cut where a record of their block ends."""
    for address, block, offset, length in extents:
        end = offset + length
        while offset < end:
            taken = min(end, offset + RECORD_OCTETS - offset % RECORD_OCTETS) - offset
            yield Extent(address, block, offset, taken)
            address, offset = address + taken, offset + taken


class PhysicalReader:
    """A machine's guest-physical memory, by addresses; the state PHYSICAL."""

    def __init__(self, memory: Memory) -> None:
        self._memory, self._space = memory, AddressMap.of_machine(memory.blocks)

    def read(self, address: int, size: int) -> bytes:
        """``size`` octets from ``address`` on; pages without contents are zeros. Raises DomainError: no RAM there."""
        extents = list(self._space.find(address, size))
        return b"".join(_alone(self._memory, extent).octets.tobytes() for extent in extents)


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
