"""Where QEMU's x86 machines put their RAM in guest-physical memory (formats/qemu.md 2.3, 2.6)."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from domctx.api import Placement, RamBlock
from domctx.errors import UsageError
from domctx.values import frozen
from domctx_qemu_stream.blocks import FLAT, WireBlock

HIGH: Final = 0x1_0000_0000
"""Where RAM goes on that does not fit below the devices."""
PC_LOW: Final = 0xE000_0000
GIGABYTE_LOW: Final = 0xC000_0000
Q35_LOW: Final = 0xB000_0000
Q35_SPLIT: Final = 0x8000_0000

CMOS: Final = "mc146818rtc"
"""The section that begins with the octets of CMOS."""
CMOS_LOW: Final = slice(0x34, 0x36)
CMOS_HIGH: Final = slice(0x5B, 0x5E)
CMOS_BASE: Final = 16 << 20
CMOS_SHIFT: Final = 16

MAIN: Final = ("pc.ram", "microvm.ram", FLAT)
"""What the main RAM is called where no memory backend gives it a name."""
APART: Final = re.compile(r"(.*\.(rom|bios|vram|ram)|/rom@.*|.*\.flash[0-9]+|[0-9a-f]{4}:.*)", re.DOTALL)
"""Blocks that are no main RAM: ROMs, flash, video RAM, tables, and whatever belongs to a PCI device."""
OBJECT: Final = "/objects/"
NUMBER: Final = re.compile(r"([0-9]+)")
BIOS: Final = ("pc.bios", "pc.ram")
"""Blocks that only x86 machines have."""
OLD_BIOS: Final = 0x2_0000
"""Octets of the BIOS of pc-i440fx-1.7 and older."""
X86: Final = re.compile(r"pc|q35|microvm|isapc|xen|rhel[0-9]")
"""What the types of x86 machines begin with."""
X86_SECTIONS: Final = frozenset(("apic", "ioapic", "kvmclock"))
"""Sections that no machine of another architecture has."""
PC_VERSION: Final = re.compile(r"pc(?:-i440fx)?-([0-9]+)\.([0-9]+)")


@frozen
class Board:
    """A kind of machine: its name, empty where it is not known, and whether a large memory is split at a gigabyte."""

    name: str
    aligned: bool = True

    def low(self, size: int) -> int:
        """How much of ``size`` octets of main RAM stands from address 0 on."""
        if self.name == "q35":
            low = Q35_SPLIT if size >= Q35_LOW else Q35_LOW
        elif self.name == "microvm":
            low = GIGABYTE_LOW
        else:
            low = GIGABYTE_LOW if self.aligned and size >= PC_LOW else PC_LOW
        return min(size, low)


def board_of(machine: str | None, sections: Collection[str], blocks: Sequence[WireBlock]) -> Board:
    """The board of a machine type; without one that is known it is told by the sections and blocks of the stream."""
    name = machine or ""
    old_bios = any(block.name == "pc.bios" and block.size <= OLD_BIOS for block in blocks)
    if name.startswith(("pc-q35", "q35")) or any(section.endswith("/mch") for section in sections):
        return Board("q35")
    if name.startswith("microvm") or any(block.name == "microvm.ram" for block in blocks):
        return Board("microvm")
    if name == "isapc" or (not name and sections and "PCIBUS" not in sections):
        return Board("isapc", aligned=False)
    known = X86.match(name) or not X86_SECTIONS.isdisjoint(sections) or any(block.name in BIOS for block in blocks)
    if name and not known:
        return Board("")
    version = PC_VERSION.match(name)
    if version is not None:
        return Board("pc", aligned=int(version[1]) >= 2)
    return Board("pc", aligned=bool(name) or not old_bios)


def low_in_cmos(cmos: bytes, size: int) -> int | None:
    """How much of ``size`` octets of RAM is low, as QEMU tells the BIOS in CMOS; None where that does not fit.

    So a machine is placed right whose option max-ram-below-4g is not in its stream.
    """
    told = _told(cmos)
    if told is None or not size:
        return None
    low = size - (told[1] << CMOS_SHIFT)
    fits = CMOS_BASE < low <= size and low <= HIGH and (low - CMOS_BASE) >> CMOS_SHIFT == told[0]
    return low if fits else None


def size_in_cmos(cmos: bytes) -> int | None:
    """How much main RAM QEMU tells the BIOS in CMOS, in whole 64 KiB; None where there is none above 16 MiB."""
    told = _told(cmos)
    return CMOS_BASE + (sum(told) << CMOS_SHIFT) if told is not None and told[0] else None


def _told(cmos: bytes) -> tuple[int, int] | None:
    """How much RAM CMOS tells of, in units of 64 KiB: from 16 MiB up to 4 GiB, and above that (hw/i386/pc.c)."""
    if len(cmos) < CMOS_HIGH.stop:
        return None
    return int.from_bytes(cmos[CMOS_LOW], "little"), int.from_bytes(cmos[CMOS_HIGH], "little")


def main_blocks(blocks: Sequence[WireBlock | RamBlock], size: int | None = None) -> list[int]:
    """Which blocks are the main RAM, in the order of their addresses.

    Several nodes of NUMA are ordered by the numbers in their names where only these differ, else as they are listed.
    ``size`` is that of the main RAM where it is known: it tells nodes from DIMMs, where one of them alone has it, or
    those together that are called alike.
    """
    for name in MAIN:
        found = [index for index, block in enumerate(blocks) if block.name == name]
        if found:
            return found
    found = [index for index, block in enumerate(blocks) if _is_backend(block.name)]
    if size is not None and _size(blocks, found) != size:
        fitting = [some for some in _candidates(blocks, found) if _size(blocks, some) == size]
        found = fitting[0] if len(fitting) == 1 else found
    if is_sure(blocks, found):
        found.sort(key=lambda index: [int(number) for number in NUMBER.findall(blocks[index].name)])
    return found


def is_sure(blocks: Sequence[WireBlock | RamBlock], main: Sequence[int], size: int | None = None) -> bool:
    """Whether the names of the main RAM's blocks tell their order, and their sizes fit ``size`` where it is known."""
    alike = len({_shape(blocks[index].name) for index in main}) < 2
    return alike and (size is None or len(main) < 2 or _size(blocks, main) == size)


def chosen(names: Sequence[str], blocks: Sequence[WireBlock]) -> list[int]:
    """The blocks of these names. Raises UsageError for one that there is not, or that comes twice."""
    known = {block.name: index for index, block in enumerate(blocks)}
    wrong = [name for place, name in enumerate(names) if name not in known or name in names[:place]]
    if wrong:
        hint = f"the blocks are: {', '.join(known)}"
        raise UsageError(f"{wrong[0]!r} names no RAM block, or one that was named before", hint=hint)
    return [known[name] for name in names]


def _candidates(blocks: Sequence[WireBlock | RamBlock], found: Sequence[int]) -> list[list[int]]:
    """What of the memory backends may be the main RAM: one of them, or all that are called alike."""
    alike: dict[str, list[int]] = {}
    for index in found:
        alike.setdefault(_shape(blocks[index].name), []).append(index)
    return [[index] for index in found] + [some for some in alike.values() if len(some) > 1]


def _shape(name: str) -> str:
    """A name without what its numbers are."""
    return NUMBER.sub("0", name)


def _size(blocks: Sequence[WireBlock | RamBlock], some: Sequence[int]) -> int:
    """Octets of these blocks, in whole 64 KiB."""
    return sum(blocks[index].size for index in some) >> CMOS_SHIFT << CMOS_SHIFT


def may_be_main(name: str) -> bool:
    """Whether a block of that name may be main RAM, or a part of it."""
    return name in MAIN or _is_backend(name)


def _is_backend(name: str) -> bool:
    return name.startswith(OBJECT) or APART.fullmatch(name) is None


def place(blocks: Sequence[WireBlock], board: Board, main: Sequence[int], cmos: bytes = b"") -> tuple[RamBlock, ...]:
    """The blocks with their places; ROMs, video RAM and what is plugged in later have none.

    ``main`` are the blocks of the main RAM in the order of their addresses; ``cmos`` are the octets of the machine's
    CMOS, where it has one.
    """
    size = sum(blocks[index].size for index in main)
    told = low_in_cmos(cmos, size)
    low = board.low(size) if told is None else told
    placements: dict[int, tuple[Placement, ...]] = {}
    start = 0
    for index in main:
        placements[index] = tuple(_cut(start, blocks[index].size, low))
        start += blocks[index].size
    return tuple(
        RamBlock(block.name, block.size, placements=placements.get(index, ())) for index, block in enumerate(blocks)
    )


def _cut(start: int, size: int, low: int) -> list[Placement]:
    """The places of ``size`` octets that begin ``start`` octets into the main RAM, of which ``low`` are low."""
    below = max(0, min(size, low - start))
    found = [Placement(start, 0, below)] if below else []
    if size > below:
        found.append(Placement(HIGH + start + below - low, below, size - below))
    return found
