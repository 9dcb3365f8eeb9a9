"""Where addresses lead: guest-physical addresses and block offsets to runs of octets of RAM blocks."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from domctx.api import RamBlock
from domctx.errors import DomainError, UsageError
from domctx.states import Memory

SUFFIXES: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
NUMBER: Final = re.compile(r"(0[xX][0-9a-fA-F]+|[0-9]+)([KMGT]?)", re.ASCII | re.IGNORECASE)
ADDRESS_LIMIT: Final = 1 << 62
"""No file reaches further: addresses end below it."""


class Extent(NamedTuple):
    """A run of octets of one RAM block, and the address at which it stands; all three in octets."""

    address: int
    block: int
    offset: int
    length: int

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + self.length

    @property
    def stop(self) -> int:
        """The first octet of the block behind it."""
        return self.offset + self.length


def number(text: str, limit: int = ADDRESS_LIMIT) -> int:
    """The number of ``0x1000``, ``4096``, ``4K``, ``0x10M``. Raises UsageError for anything else."""
    found = NUMBER.fullmatch(text)
    value = int(found[1], 0 if found[1][:2].lower() == "0x" else 10) << SUFFIXES[found[2].upper()] if found else None
    if value is None or value >= limit:
        below = f"below 1 << {limit.bit_length() - 1}"
        raise UsageError(f"{text!r} is not a number of octets", hint=f"write 4096, 0x1000, 4K, 64M or 1G; {below}")
    return value


def block_named(blocks: Sequence[RamBlock], name: str) -> int:
    """The place of the block of that name. Raises UsageError where there is none, or more than one."""
    found = [index for index, block in enumerate(blocks) if block.name == name]
    if len(found) != 1:
        known = ", ".join(repr(block.name) for block in blocks) or "none"
        message = f"{len(found)} RAM blocks are called {name!r}" if found else f"there is no RAM block {name!r}"
        raise UsageError(message, hint=f"the blocks are: {known}")
    return found[0]


def space_of(memory: Memory, block: str | None) -> AddressMap:
    """The address space of a machine's memory, or of one of its blocks. Raises DomctxError where there is none."""
    if block is None:
        return AddressMap.of_machine(memory.blocks)
    return AddressMap.of_block(memory.blocks, block_named(memory.blocks, block))


class AddressMap:
    """An address space made of runs of RAM blocks; between them is nothing."""

    def __init__(self, extents: Sequence[Extent], what: str) -> None:
        self.extents = sorted(extent for extent in extents if extent.length)
        self.what = what
        for one, other in zip(self.extents, self.extents[1:], strict=False):
            if one.end > other.address:
                raise DomainError(
                    "two runs of RAM stand at one address",
                    expected=f"at least 0x{one.end:x}",
                    got=f"0x{other.address:x}",
                )
        if self.end > ADDRESS_LIMIT:
            raise DomainError("RAM stands beyond every file's end", expected="below 1 << 62", got=f"0x{self.end:x}")

    @classmethod
    def of_machine(cls, blocks: Sequence[RamBlock]) -> AddressMap:
        """Guest-physical addresses. A single block that says nothing of its place begins at 0: PFNs are addresses.

        Raises DomainError where two blocks stand at one address.
        """
        extents = [
            Extent(place.address, index, place.offset, place.length)
            for index, block in enumerate(blocks)
            for place in block.placements
        ]
        if not extents and len(blocks) == 1:
            return cls.of_block(blocks, 0)
        return cls(extents, "guest-physical memory")

    @classmethod
    def of_block(cls, blocks: Sequence[RamBlock], block: int) -> AddressMap:
        """Offsets in one block."""
        return cls([Extent(0, block, 0, blocks[block].size)], f"RAM block {blocks[block].name!r}")

    @property
    def end(self) -> int:
        """The first address behind everything, in octets."""
        return self.extents[-1].end if self.extents else 0

    def find(self, address: int, length: int) -> Iterator[Extent]:
        """The runs of ``length`` octets from ``address`` on. Raises DomainError where an octet of them is not RAM."""
        stop = address + length
        place = bisect.bisect_right(self.extents, address, key=lambda extent: extent.end)
        while address < stop:
            extent = self.extents[place] if place < len(self.extents) else None
            if extent is None or extent.address > address:
                raise self._outside(address, stop)
            taken = min(stop, extent.end) - address
            yield Extent(address, extent.block, extent.offset + address - extent.address, taken)
            address, place = address + taken, place + 1

    def _outside(self, address: int, stop: int) -> DomainError:
        ranges = ", ".join(f"0x{low:x}-0x{high - 1:x}" for low, high in self.ranges()[:8]) or "nothing"
        hint = f"{self.what} is: {ranges}"
        return DomainError(f"address 0x{address:x} is outside of {self.what}", got=f"up to 0x{stop - 1:x}", hint=hint)

    def ranges(self) -> list[tuple[int, int]]:
        """The stretches that hold RAM, joined where they touch: (first, first behind)."""
        found: list[tuple[int, int]] = []
        for extent in self.extents:
            if found and found[-1][1] == extent.address:
                found[-1] = (found[-1][0], extent.end)
            else:
                found.append((extent.address, extent.end))
        return found
