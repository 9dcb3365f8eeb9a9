"""Which runs of guest-physical memory a core has: what stands between two holes, with where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from domctx.api import Machine
from domctx.states import Memory, PageKind
from domctx.values import frozen
from domctx_memory.address import AddressMap, Extent

FIRMWARE: Final = "pc.bios"
"""QEMU's name of the firmware, which ends where 4 GiB do, and which its dumps have there."""
TOP: Final = 1 << 32
HOLE: Final = 256
"""Pages without a frame behind them that are worth a segment's end."""
STEP: Final = 1 << 20
"""Pages whose kinds are asked for at a time."""


class TellsKinds(Protocol):
    """What a Memory may have besides: the kinds of pages, without their contents."""

    def kinds(self, block: int, first: int, count: int) -> NDArray[np.uint8]:
        """PageKind of each of ``count`` pages of ``block`` from ``first`` on."""


@frozen
class Load:
    """Consecutive octets of guest-physical memory, those of one RAM block."""

    extent: Extent

    @property
    def address(self) -> int:
        """Where it begins."""
        return self.extent.address

    @property
    def length(self) -> int:
        """Octets."""
        return self.extent.length


def loads(memory: Memory, machine: Machine) -> list[Load]:
    """All of them, ascending. Raises DomainError where two runs of RAM stand at one address."""
    space = AddressMap.of_machine(memory.blocks)
    found = [part for extent in _joined(space.extents) for part in _without_holes(memory, extent)]
    firmware = _firmware(memory, space) if machine.hypervisor == "qemu" else None
    return [Load(extent) for extent in sorted([*found, *([firmware] if firmware is not None else [])])]


def left_out(memory: Memory, found: list[Load]) -> list[str]:
    """The names of RAM blocks that have no place in guest-physical memory."""
    placed = {load.extent.block for load in found}
    return [block.name for index, block in enumerate(memory.blocks) if index not in placed and block.size]


def _joined(extents: list[Extent]) -> Iterator[Extent]:
    """Neighbours that are neighbours in their block too, as one."""
    last: Extent | None = None
    for extent in extents:
        if last is not None and extent == (last.end, last.block, last.offset + last.length, extent.length):
            last = last._replace(length=last.length + extent.length)
        else:
            yield from [] if last is None else [last]
            last = extent
    yield from [] if last is None else [last]


def _firmware(memory: Memory, space: AddressMap) -> Extent | None:
    for index, block in enumerate(memory.blocks):
        start = TOP - block.size
        free = all(extent.end <= start or extent.address >= TOP for extent in space.extents)
        if block.name == FIRMWARE and not block.placements and 0 < block.size < TOP and free:
            return Extent(start, index, 0, block.size)
    return None


def _without_holes(memory: Memory, extent: Extent) -> Iterator[Extent]:
    """The parts of an extent between long runs of pages that have no frame, where the memory tells of kinds."""
    tell: Any = getattr(memory, "kinds", None)
    shift = memory.blocks[extent.block].page_shift
    first, last = extent.offset >> shift, -(-(extent.offset + extent.length) >> shift)
    if tell is None:
        yield extent
        return
    start = extent.offset
    for low, high in _runs(tell, extent.block, first, last):
        if high - low >= HOLE:
            yield from _part(extent, start, max(low << shift, extent.offset))
            start = high << shift
    yield from _part(extent, start, extent.offset + extent.length)


def _part(extent: Extent, start: int, stop: int) -> Iterator[Extent]:
    if stop > start:
        yield Extent(extent.address + start - extent.offset, extent.block, start, stop - start)


def _runs(tell: Any, block: int, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Runs of pages without a frame: (first, first behind)."""
    begun: int | None = None
    for start in range(first, last, STEP):
        count = min(STEP, last - start)
        missing = np.asarray(tell(block, start, count)) == PageKind.INVALID
        edges = np.flatnonzero(np.diff(missing, prepend=begun is not None)) + start
        for edge in edges.tolist():
            if begun is None:
                begun = edge
            else:
                yield begun, edge
                begun = None
    if begun is not None:
        yield begun, last
