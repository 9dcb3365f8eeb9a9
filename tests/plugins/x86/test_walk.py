"""Linear addresses through page tables of every kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from domctx.errors import DomainError
from domctx.states import MEMORY
from domctx_memory.octets import physical_reader
from domctx_qemu_stream.cpu import decode
from domctx_qemu_stream.vcpus import provide
from domctx_x86 import walk
from domctx_x86.vcpu import Registers, Segment
from domctx_x86.walk import Walker, descriptor_size, descriptors
from helpers.qemu_corpus import opened
from helpers.qemu_registers import section
from helpers.qemu_streams import PAGE

PAGING, PROTECTED, PSE, PAE, LA57, LMA = 1 << 31, 1, 1 << 4, 1 << 5, 1 << 12, 1 << 10
LARGE = 0x80


def registers(cr0: int = PAGING | PROTECTED, cr4: int = 0, efer: int = 0, cr3: int = PAGE) -> Registers:
    """Registers that say how to translate; GDT and IDT have no entries."""
    found = decode(section(12, True, {}), 12, "x86_64")
    segments = {**found.segments, "gdt": Segment(0, 0, 0, 0), "idt": Segment(0, 0, 0, 0)}
    control = {"cr0": cr0, "cr2": 0, "cr3": cr3, "cr4": cr4}
    return attrs.evolve(found, control=control, msrs={**found.msrs, "efer": efer}, segments=segments)


class Physical:
    """Guest-physical memory of 64 KiB with numbers in it."""

    def __init__(self, width: int, entries: Mapping[int, int]) -> None:
        self.octets = bytearray(16 * PAGE)
        for address, value in entries.items():
            self.octets[address : address + width] = value.to_bytes(width, "little")

    def read(self, address: int, size: int) -> bytes:
        """What stands there; beyond it is no RAM."""
        if address + size > len(self.octets):
            raise DomainError("no RAM")
        return bytes(self.octets[address : address + size])


def test_without_paging_addresses_are_physical() -> None:
    """In real mode, and in protected mode without paging, 32 bits of an address count."""
    walker = Walker(registers(cr0=PROTECTED), Physical(4, {}).read)
    assert walker.translate(0x1_2345_6789) == 0x2345_6789


def test_two_levels() -> None:
    """4 KiB pages, 4 MiB pages where PSE is on, with address bits above 32, and holes."""
    tables = {
        PAGE + 4 * 1: 2 * PAGE | 1,
        2 * PAGE + 4 * 3: 0x7000 | 1,
        PAGE + 4 * 2: 0x0040_0000 | 5 << 13 | LARGE | 1,
        PAGE + 4 * 4: 0x00F0_0000 | 1,
    }
    memory = Physical(4, tables)
    walker = Walker(registers(cr4=PSE), memory.read)
    assert walker.translate(0x40_3123) == 0x7123
    assert walker.translate(0x80_1234) == 0x5_0040_1234
    assert walker.translate(0x40_4000) is None
    assert walker.translate(0x0) is None
    assert walker.translate(0x100_0000) is None
    small = Physical(4, {PAGE + 4: 2 * PAGE | LARGE | 1, 2 * PAGE: 0x3000 | 1})
    assert Walker(registers(), small.read).translate(0x40_0001) == 0x3001


def test_pae() -> None:
    """Three levels; the first has four entries, where CR3 says to 32 octets; 2 MiB pages."""
    tables = {
        0x1020 + 8 * 3: 2 * PAGE | 1,
        2 * PAGE + 8 * 1: 3 * PAGE | 1,
        2 * PAGE + 8 * 2: 0x8020_0000 | LARGE | 1,
        3 * PAGE + 8 * 5: 1 << 63 | 0x9000 | 1,
    }
    walker = Walker(registers(cr4=PAE, cr3=0x1020), Physical(8, tables).read)
    assert walker.translate(3 << 30 | 1 << 21 | 5 << 12 | 7) == 0x9007
    assert walker.translate(3 << 30 | 2 << 21 | 0x1_2345) == 0x8021_2345
    assert walker.translate(1 << 30) is None


@pytest.mark.parametrize("five", [False, True])
def test_long_mode(five: bool) -> None:
    """Four and five levels, pages of 4 KiB, 2 MiB and 1 GiB, and addresses that are not canonical."""
    tables = {
        PAGE: 2 * PAGE | 1,
        PAGE + 8 * 511: 2 * PAGE | 1,
        2 * PAGE: 3 * PAGE | 1,
        2 * PAGE + 8 * 1: 0x4000_0000 | LARGE | 1,
        2 * PAGE + 8 * 511: 3 * PAGE | 1,
        3 * PAGE: 4 * PAGE | 1,
        3 * PAGE + 8 * 1: 0x60_0000 | LARGE | 1,
        4 * PAGE + 8 * 2: 0xA000 | 1,
    }
    cr3, cr4 = PAGE, PAE
    if five:
        tables |= {5 * PAGE: PAGE | 1, 5 * PAGE + 8 * 511: PAGE | 1}
        cr3, cr4 = 5 * PAGE, PAE | LA57
    walker = Walker(registers(cr4=cr4, efer=LMA, cr3=cr3), Physical(8, tables).read)
    assert walker.translate(2 << 12 | 9) == 0xA009
    assert walker.translate(1 << 21 | 0x1234) == 0x60_1234
    assert walker.translate(1 << 30 | 0x12_3456) == 0x4012_3456
    high = (1 << 64) - (1 << 39) + (511 << 30) + (1 << 21)
    assert walker.translate(high) == 0x60_0000
    assert walker.translate(1 << 63) is None
    assert walker.translate(3 << 12) is None


def test_reading_stops_where_nothing_is_mapped() -> None:
    """Octets come page by page, whichever frames they are in, up to the first that is not there."""
    tables = {PAGE: 2 * PAGE | 1, 2 * PAGE: 0x7000 | 1, 2 * PAGE + 4: 0x5000 | 1, 2 * PAGE + 12: 0x7000_0000 | 1}
    memory = Physical(4, tables)
    memory.octets[0x7000:0x8000] = b"a" * PAGE
    memory.octets[0x5000:0x6000] = b"b" * PAGE
    walker = Walker(registers(), memory.read)
    assert walker.read(0xFFE, 4) == b"aabb"
    assert walker.read(0x1FFE, 8) == b"bb"
    assert walker.read(0x3000, 8) == b""


@pytest.mark.parametrize(
    ("cr0", "efer", "table", "size"),
    [(0, 0, "idt", 4), (PROTECTED, 0, "idt", 8), (PROTECTED, LMA, "idt", 16), (PROTECTED, LMA, "gdt", 8)],
)
def test_descriptors(cr0: int, efer: int, table: str, size: int) -> None:
    """Entries have the size of the vCPU's mode, and are as many as the limit says and memory holds."""
    found = registers(cr0=cr0, efer=efer)
    assert descriptor_size(found, table) == size
    segments = {**found.segments, table: Segment(0, 0x100, 3 * size - 1, 0)}
    entries = descriptors(attrs.evolve(found, segments=segments), Physical(4, {0x100 + size: 7}).read, table)
    assert [int.from_bytes(entry, "little") for entry in entries] == [0, 7, 0]


@pytest.mark.corpus
def test_the_segments_of_a_guest_are_in_its_gdt(corpus: Path, tmp_path: Path) -> None:
    """Through the page tables of a real 32-bit guest the GDT's entries are those that its segment registers hold."""
    from helpers.qemu_corpus import Corpus

    domain = opened(Corpus(corpus / "qemu", tmp_path).path("pc-16m-boot32.mig"))
    vcpus, memory = provide(domain), domain.state(MEMORY)
    assert vcpus is not None
    assert memory is not None
    found = vcpus.vcpus[0]
    entries = descriptors(found, physical_reader(memory), "gdt")
    assert found.control["cr0"] & PAGING
    for name in ("cs", "ss", "ds", "es"):
        segment = found.segments[name]
        high = int.from_bytes(entries[segment.selector >> 3][4:], "little")
        assert high & 0x00F0_FE00 == segment.flags & 0x00F0_FE00
    assert len(entries) == 3
    domain.close()


def test_spans_join_what_stays_together() -> None:
    """Neighbouring pages whose frames are neighbours make one span; so do those that are not mapped."""
    tables = {PAGE: 2 * PAGE | 1} | {2 * PAGE + 4 * n: frame | 1 for n, frame in enumerate((0x5000, 0x6000, 0x9000))}
    walker = Walker(registers(), Physical(4, tables).read)
    assert list(walker.spans(0x10, 0x5000)) == [
        (0x10, 0x5010, 0x1FF0),
        (0x2000, 0x9000, 0x1000),
        (0x3000, None, 0x2010),
    ]
    assert list(walker.spans(0x10, 0)) == []
    assert list(walker.spans(0x40_0000, 0x80_0000)) == [(0x40_0000, None, 0x80_0000)]
    assert walker.limit == 1 << 32
    assert Walker(registers(efer=LMA), Physical(4, {}).read).limit == 1 << 64


def test_reading_stops_where_there_is_no_ram() -> None:
    """A page that leads out of memory ends what is read, in the midst of a span."""
    tables = {PAGE: 2 * PAGE | 1, 2 * PAGE: 0xF000 | 1, 2 * PAGE + 4: 0x1_0000 | 1}
    assert len(Walker(registers(), Physical(4, tables).read).read(0, 0x2000)) == PAGE
    assert len(Walker(registers(), Physical(4, tables).read).read(0xFF8, 16)) == 8


def test_tables_are_remembered_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A walker that forgets its tables finds the same."""
    tables = {PAGE: 2 * PAGE | 1, 2 * PAGE: 0x5000 | 1}
    monkeypatch.setattr(walk, "TABLES", 1)
    walker = Walker(registers(), Physical(4, tables).read)
    assert [walker.translate(place) for place in (0, 1, 2)] == [0x5000, 0x5001, 0x5002]
    assert len(walker._tables) == 1


def test_page_tables_that_are_no_ram() -> None:
    """They map nothing."""
    assert Walker(registers(cr3=0x10_0000), Physical(4, {}).read).translate(0) is None
    assert Walker(registers(cr4=PAE, efer=LMA, cr3=0x10_0000), Physical(8, {}).read).read(0, 8) == b""
