"""Cores by linear addresses: what vCPUs map, and what real QEMU finds that they map."""

from __future__ import annotations

from collections.abc import Mapping as Values
from pathlib import Path

import pytest

from domctx.errors import DomainError
from domctx_elf import mappings
from domctx_elf.headers import Placed
from domctx_elf.mappings import Mapping, placed
from domctx_x86.vcpu import WIDE, Registers
from domctx_x86.walk import Walker, mode_of
from helpers.elf_cores import from_stream, gdb, long_guest, pair, told

PSE, PAE, LONG, LARGE = 1 << 4, 1 << 5, 1 << 10, 0x80
SIZE = 16 << 12


class Physical:
    """Memory of 64 KiB with numbers in it."""

    def __init__(self, width: int, entries: Values[int, int]) -> None:
        self.octets = bytearray(SIZE)
        for address, value in entries.items():
            self.octets[address : address + width] = value.to_bytes(width, "little")

    def read(self, address: int, size: int) -> bytes:
        """What stands there; beyond it is no RAM."""
        if address + size > SIZE:
            raise DomainError("no RAM")
        return bytes(self.octets[address : address + size])


def registers(cr4: int = 0, efer: int = 0, cr0: int = 1 << 31 | 1) -> Registers:
    """A vCPU whose top table stands in page 1."""
    control = {"cr0": cr0, "cr3": 0x1000, "cr4": cr4}
    return Registers(architecture=WIDE, general={}, segments={}, control=control, msrs={"efer": efer})


def found(vcpu: Registers, memory: Physical) -> list[Mapping]:
    """What a vCPU maps; each place leads where the walker says."""
    mode = mode_of(vcpu)
    assert mode is not None
    rows = mappings.mappings(vcpu, mode, memory.read)
    walker = Walker(vcpu, memory.read)
    for row in rows:
        for offset in {0, row.length - 1, row.length // 2}:
            assert walker.translate(row.virtual + offset) == row.physical + offset
    return rows


def test_two_levels() -> None:
    """Pages of 4 KiB and 4 MiB; neighbours come together; a table that is no RAM maps nothing."""
    entries = {
        0x1004: 0x2001,
        0x2000: 0x5001,
        0x2004: 0x6001,
        0x200C: 0x7001,
        0x1008: 5 << 13 | LARGE | 1,
        0x100C: 0x90_0001,
    }
    assert found(registers(PSE), Physical(4, entries)) == [
        (0x40_0000, 0x5000, 0x2000),
        (0x40_3000, 0x7000, 0x1000),
        (0x80_0000, 5 << 32, 0x40_0000),
    ]


def test_three_levels() -> None:
    """PAE: four entries at the top, pages of 2 MiB."""
    entries = {0x1018: 0x2001, 0x1020: 0x2001, 0x2000: 0x3001, 0x2008: 0x20_0000 | LARGE | 1, 0x3008: 1 << 63 | 0x4001}
    assert found(registers(PAE), Physical(8, entries)) == [
        (0xC000_1000, 0x4000, 0x1000),
        (0xC020_0000, 0x20_0000, 0x20_0000),
    ]


def test_four_levels() -> None:
    """Pages of 1 GiB; high addresses are canonical."""
    entries = {0x1000: 0x2001, 0x1800: 0x2001, 0x2008: 0x4000_0000 | LARGE | 1}
    half = (1 << 64) - (1 << 47)
    assert found(registers(PAE, LONG), Physical(8, entries)) == [
        (1 << 30, 1 << 30, 1 << 30),
        (half + (1 << 30), 1 << 30, 1 << 30),
    ]


def test_what_is_mapped_is_cut_to_what_is_ram() -> None:
    """Once for all vCPUs that map the same; without paging segments stay as they are."""
    memory = Physical(4, {0x1000: LARGE | 1, 0x1004: 0x2001, 0x2000: 0x9001})
    loads = [Placed(0, 0, 0, 0x2000), Placed(0x3000, 0x3000, 0x2000, 0x9000)]
    vcpus = [registers(PSE), registers(PSE), registers(cr0=1)]
    assert placed(vcpus, memory.read, loads) == [
        Placed(0, 0, 0, 0x2000),
        Placed(0x3000, 0x3000, 0x2000, 0x9000),
        Placed(0x40_0000, 0x9000, 0x8000, 0x1000),
    ]
    assert placed([registers(cr0=1)], memory.read, loads) == loads
    assert placed([registers()], Physical(4, {}).read, loads) == []


def test_tables_in_circles_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small a guest is, its tables may map the whole address space."""
    circle = Physical(8, {0x1000 + 8 * index: 0x1001 for index in range(512)})
    with pytest.raises(DomainError, match="maps too much for a core by linear addresses"):
        placed([registers(PAE, LONG)], circle.read, [])
    monkeypatch.setattr(mappings, "MAX_MAPPINGS", 1)
    small = Physical(4, {0x1000: LARGE | 1, 0x1004: LARGE | 1})
    with pytest.raises(DomainError, match="maps too much"):
        placed([registers(PSE)], small.read, [])


def test_what_real_qemu_finds(tmp_path: Path) -> None:
    """The same stretches of memory at the same linear addresses; gdb reads through them.

    QEMU gives low addresses the high half's sign; there ours are right.
    """
    _, paged, stream = pair(tmp_path, ["-machine", "pc", "-m", "16", "-smp", "2"], long_guest(tmp_path))
    ours = from_stream(stream, tmp_path / "ours.elf", "paging=yes")
    core, theirs = told(ours), told(paged)
    low = 1 << 48
    assert {(vaddr % low, *rest) for vaddr, *rest in core.loads} == {
        (vaddr % low, *rest) for vaddr, *rest in theirs.loads
    }
    assert core.notes == theirs.notes
    assert sum(vaddr >> 47 == 0x1FFFF for vaddr, *_ in core.loads) == 3
    printed = gdb(ours, "x/1xw 0xffff800000200000", "x/1xw 0xffff800000201000", "x/1xw 0x201000")
    assert "0xffff800000200000:\t0x15151515" in printed
    assert "0xffff800000201000:\t0x77777777" in printed
    assert "0x201000:\t0x77777777" in printed
