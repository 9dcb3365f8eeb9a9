"""Streams written anew are loaded by real QEMU, which then holds the same machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers.qemu_corpus import opened
from helpers.qemu_writing import through_an_image
from helpers.real_qemu import BARE, RealQemu

MIB = 1 << 20
STILL = ("-S", "-rtc", "clock=vm,base=2026-01-01")
MACHINES = {
    "pc": ("-machine", "pc", "-m", "16", "-smp", "2"),
    "q35": ("-machine", "q35", "-m", "16", "-vga", "std"),
    "isapc": ("-machine", "isapc", "-m", "16", "-cpu", "486"),
    "microvm": ("-machine", "microvm", "-m", "16"),
    "no footers": ("-machine", "pc-i440fx-2.2", "-m", "16"),
}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("ran", [False, True], ids=["at reset", "after its firmware"])
def test_qemu_loads_what_was_written(machine: str, ran: bool, tmp_path: Path) -> None:
    """Memory, registers and every device section of the loaded machine are those of the saved one."""
    stream, arguments = tmp_path / "a.mig", (*BARE, *STILL, *MACHINES[machine])
    with RealQemu(*arguments) as source:
        source.start()
        if ran:
            _run_for_a_while(source)
        source.save(stream)
        memory, registers = source.memory(0, 16 * MIB), source.registers()
    written = through_an_image(stream, tmp_path / "b.mig")
    assert written.read_bytes() == stream.read_bytes()
    with RealQemu(*arguments) as goal:
        goal.start(written)
        assert goal.memory(0, 16 * MIB) == memory
        assert goal.registers() == registers
        again = goal.save(tmp_path / "c.mig")
    assert devices_of(again) == devices_of(stream)


def _run_for_a_while(qemu: RealQemu) -> None:
    """Until the firmware has left the reset vector behind."""
    qemu.qmp("cont")
    looks = 1000
    while re.search(r"IP=0000fff0", qemu.registers()) and looks:
        looks -= 1
    qemu.qmp("stop")
    assert looks, "the firmware does not begin"


def devices_of(path: Path) -> list[tuple[str, int, bytes]]:
    """The device sections of a stream, but for the name of the run state."""
    domain = opened(path)
    found = [(each.name, each.instance, each.octets) for each in domain.sections if each.name != "globalstate"]
    domain.close()
    return found
