"""Cores on the command line: a machine goes from format to format, and its registers and its memory with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domctx.cli.run import run
from domctx_elf.notes import notes_of
from domctx_x86.vcpu import NARROW, Registers, Segment
from helpers.elf_cores import composed, told

ENTRY = bytes.fromhex("ffff0000009acf00")


def printed(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """What a command line prints; it must end well."""
    capfd.readouterr()
    assert run([str(argument) for argument in arguments]) == 0
    return capfd.readouterr().out


@pytest.fixture
def core(tmp_path: Path) -> Path:
    """A core of a 32-bit machine with paging, a GDT, and 16 pages."""
    tables = {"gdt": Segment(0, 0x40_3000, 15, 0), "ss": Segment(0, 0, 0, 3 << 13)}
    control = {"cr0": 1 << 31 | 1, "cr2": 0, "cr3": 0x1000, "cr4": 0}
    registers = Registers(architecture=NARROW, general={"rip": 0x40_3000}, segments=tables, control=control)
    memory = bytearray(16 << 12)
    memory[0x1004:0x1008] = (0x2001).to_bytes(4, "little")
    memory[0x200C:0x2010] = (0x7001).to_bytes(4, "little")
    memory[0x7008:0x7010] = ENTRY
    path = tmp_path / "vm.core"
    path.write_bytes(composed([(4, 0, 0, notes_of({0: registers})), (1, 0, 0, bytes(memory))], machine=3, wide=False))
    return path


def test_from_format_to_format(core: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A core becomes an image, and a core again: the same; registers, GDT and linear memory are found in each."""
    image, again, xen, raw = (tmp_path / name for name in ("vm.dctx", "again.core", "xen.core", "ram"))
    printed(capfd, "convert", core, image)
    printed(capfd, "convert", image, f"elf:{again}")
    assert told(again) == told(core)
    assert "good" in printed(capfd, "verify", image, again)
    for path in (core, image, again):
        assert "vCPU 0: i386, CPL 3" in printed(capfd, "registers", path)
        shown = json.loads(printed(capfd, "show", path, "GDT", "--json"))["records"][0]["value"]
        assert [(row["selector"], row["type"]) for row in shown["descriptors"]] == [(8, "code")]
        assert ENTRY.hex(" ") in printed(capfd, "read", path, "0x403008", "8", "--virtual")
    printed(capfd, "convert", image, f"elf:{xen}", "-O", "kind=xen")
    assert "hypervisor:      xen" in printed(capfd, "info", xen)
    printed(capfd, "convert", core, f"raw:{raw}")
    assert raw.read_bytes() == told(core).loads[0][3]
    assert "differ" not in printed(capfd, "diff", image, again)


def test_a_core_is_told_by_its_magic(core: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """And its states are listed."""
    found = json.loads(printed(capfd, "info", core, "--json"))
    assert (found["format"], found["states"]) == ("elf", ["memory", "foreign_head"])
