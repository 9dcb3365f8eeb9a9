"""Linear addresses to guest-physical ones through an x86 vCPU's own page tables (Intel SDM volume 3, chapter 4).

32-bit tables with 4 MiB pages (PSE-36 among them), PAE, four and five levels with 2 MiB and 1 GiB pages. Accesses are
not checked for privileges: what is mapped can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from domctx.errors import DomainError
from domctx.values import frozen
from domctx_x86.vcpu import Registers, Segment

PE: Final = 1 << 0
PG: Final = 1 << 31
CR4_PSE: Final = 1 << 4
CR4_PAE: Final = 1 << 5
CR4_LA57: Final = 1 << 12
LMA: Final = 1 << 10
PRESENT: Final = 1
LARGE: Final = 1 << 7
PAGE: Final = 4096
TABLES: Final = 1024
"""Page tables that a walker remembers at most: 4 MiB."""
FRAME: Final = 0x000F_FFFF_FFFF_F000
"""The bits of an entry of 8 octets that are an address."""

NO_TABLE: Final = Segment(0, 0, 0, 0)

Read = Callable[[int, int], bytes]
"""(guest-physical address, octets): what stands there. Raises DomainError where that is no RAM."""


@frozen
class Mode:
    """How a vCPU translates: ``shifts`` the lowest bit of a linear address that indexes each level, the top one first;
    ``large`` the levels, by their shift, whose entries may map a page themselves.
    """

    width: int
    shifts: tuple[int, ...]
    large: frozenset[int]
    root: int
    """The bits of CR3 that are the address of the top table."""


def is_long(registers: Registers) -> bool:
    """Whether a vCPU is in long mode (EFER.LMA)."""
    return bool(registers.msrs.get("efer", 0) & LMA)


def mode_of(registers: Registers) -> Mode | None:
    """How a vCPU translates; None where paging is off."""
    cr0, cr4 = registers.control.get("cr0", 0), registers.control.get("cr4", 0)
    if not cr0 & PG:
        return None
    if is_long(registers):
        shifts = (48, 39, 30, 21, 12) if cr4 & CR4_LA57 else (39, 30, 21, 12)
        return Mode(8, shifts, frozenset((30, 21)), FRAME)
    if cr4 & CR4_PAE:
        return Mode(8, (30, 21, 12), frozenset((21,)), FRAME | 0xFE0)
    return Mode(4, (22, 12), frozenset((22,)) if cr4 & CR4_PSE else frozenset(), 0xFFFF_F000)


class Span(NamedTuple):
    """Linear addresses from ``address`` on, and where they lead; ``physical`` is None where nothing maps them."""

    address: int
    physical: int | None
    length: int


class Walker:
    """Translates for one vCPU; page tables are read once, as far as TABLES of them can be remembered."""

    def __init__(self, registers: Registers, read: Read) -> None:
        self._mode, self._read = mode_of(registers), read
        self._root = registers.control.get("cr3", 0)
        self._long = is_long(registers)
        self._tables: dict[int, bytes] = {}

    @property
    def limit(self) -> int:
        """The first address behind all linear ones."""
        return 1 << 64 if self._long else 1 << 32

    def translate(self, address: int) -> int | None:
        """The guest-physical address of a linear one; None where it is not mapped, or a table is no RAM."""
        return self._find(address)[0]

    def spans(self, address: int, size: int) -> Iterator[Span]:
        """Where ``size`` octets from ``address`` on lead; neighbours that stay neighbours come together."""
        last = None
        while size > 0:
            physical, page = self._find(address)
            length = min(size, page - address % page)
            if last is None:
                last = Span(address, physical, length)
            elif physical == (last.physical + last.length if last.physical is not None else None):
                last = last._replace(length=last.length + length)
            else:
                yield last
                last = Span(address, physical, length)
            address, size = address + length, size - length
        if last is not None:
            yield last

    def read(self, address: int, size: int) -> bytes:
        """Octets from a linear address on; fewer where one is not mapped, or leads to what is no RAM."""
        found = []
        for span in self.spans(address, size):
            if span.physical is None:
                break
            place, end = span.physical, span.physical + span.length
            while place < end:
                taken = min(end, (place & -PAGE) + PAGE) - place
                try:
                    found.append(self._read(place, taken))
                except DomainError:  # a ROM or a device stands there
                    return b"".join(found)
                place += taken
        return b"".join(found)

    def _find(self, address: int) -> tuple[int | None, int]:
        """Where a linear address leads, and the size of the page that maps it, or does not."""
        mode = self._mode
        if not self._long:
            address &= 0xFFFF_FFFF
        if mode is None:
            return address, 1 << 32
        top = mode.shifts[0] + (9 if self._long else 32 - mode.shifts[0])
        if self._long and address >> top - 1 not in (0, (1 << 64 - top + 1) - 1):
            return None, 1 << top - 1
        address &= (1 << top) - 1
        table, index = self._root & mode.root, (1 << (9 if mode.width == 8 else 10)) - 1
        for shift in mode.shifts:
            entry = self._entry(table + mode.width * (address >> shift & index), mode.width)
            if not entry & PRESENT:
                return None, 1 << shift
            if shift == 12 or (shift in mode.large and entry & LARGE):
                return _frame(entry, shift, mode.width) | address & (1 << shift) - 1, 1 << shift
            table = entry & FRAME & (0xFFFF_FFFF if mode.width == 4 else -1)
        return None, PAGE

    def _entry(self, address: int, width: int) -> int:
        page, place = address & -PAGE, address & PAGE - 1
        table = self._tables.get(page)
        if table is None:
            table = self._table(page)
        return int.from_bytes(table[place : place + width], "little")

    def _table(self, page: int) -> bytes:
        try:
            table = self._read(page, PAGE)
        except DomainError:  # a table that is no RAM maps nothing
            table = b""
        if len(self._tables) >= TABLES:
            self._tables.pop(next(iter(self._tables)))
        self._tables[page] = table
        return table


def _frame(entry: int, shift: int, width: int) -> int:
    """The address of the page that an entry maps."""
    if width == 4 and shift == 22:
        return entry & 0xFFC0_0000 | (entry >> 13 & 0xFF) << 32
    return entry & FRAME & ~((1 << shift) - 1)


def descriptor_size(registers: Registers, table: str) -> int:
    """Octets of an entry of ``gdt`` or ``idt``: the IDT's are longer in long mode, and shorter in real mode."""
    if table == "gdt":
        return 8
    if is_long(registers):
        return 16
    return 8 if registers.control.get("cr0", 0) & PE else 4


def descriptors(registers: Registers, read: Read, table: str) -> list[bytes]:
    """The entries of ``gdt`` or ``idt`` as they stand in memory, as far as they can be read."""
    segment, size = registers.segments.get(table, NO_TABLE), descriptor_size(registers, table)
    count = (segment.limit & 0xFFFF) // size + ((segment.limit & 0xFFFF) % size == size - 1)
    octets = Walker(registers, read).read(segment.base, count * size)
    return [octets[place : place + size] for place in range(0, len(octets) - size + 1, size)]
