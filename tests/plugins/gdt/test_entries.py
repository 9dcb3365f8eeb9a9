"""GDTs in memory: derived from registers and page tables, or reached by their frames."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from domctx.api import Machine
from domctx.cli import show
from domctx.cli.session import Session
from domctx.errors import DomainError
from domctx.states import GdtContext
from domctx.testing import StatesDomain
from domctx_gdt.entries import DerivedGdt, entries_of
from domctx_gdt.records import derive
from domctx_x86.states import PHYSICAL, REGISTERS
from domctx_x86.vcpu import NARROW, Registers, Segment
from helpers import qemu_streams as qs
from helpers.qemu_registers import section

CODE = bytes.fromhex("ffff0000009acf00")


class Physical:
    """Sixteen pages of memory."""

    def __init__(self) -> None:
        self.octets = bytearray(16 * 4096)

    def read(self, address: int, size: int) -> bytes:
        """What stands there; beyond it is no RAM."""
        if address + size > len(self.octets):
            raise DomainError("no RAM")
        return bytes(self.octets[address : address + size])


class Told:
    """Registers of one vCPU."""

    def __init__(self, base: int, limit: int) -> None:
        gdt = Segment(0, base, limit, 0)
        self.vcpus: Mapping[int, Registers] = {
            2: Registers(architecture=NARROW, general={}, segments={"gdt": gdt}, control={})
        }


def test_a_gdt_is_derived_from_where_the_vcpu_says_it_is() -> None:
    """Its frames are those of entries 0, 512, ...; it need not begin with a page; nothing is stored."""
    memory = Physical()
    memory.octets[0x3FF8 : 0x3FF8 + 8 * 600] = CODE * 600
    derived = DerivedGdt(Told(0x3FF8, 8 * 600 - 1), memory)
    assert derived.contexts == {2: GdtContext((3, 4), 600)}
    registers = Told(0x3FF8, 8 * 600 - 1).vcpus[2]
    assert entries_of(derived.contexts[2], registers, memory) == [CODE] * 600
    with pytest.raises(DomainError, match="takes nothing"):
        derived.store(0, GdtContext((), 0))


def test_a_gdt_that_is_not_there_has_no_entries() -> None:
    """Where it leads out of memory, whole or in part, only what is there is counted."""
    memory = Physical()
    assert DerivedGdt(Told(0x10_0000, 0x17), memory).contexts == {2: GdtContext((), 0)}
    assert DerivedGdt(Told(0xFFF8, 0x17), memory).contexts == {2: GdtContext((15,), 1)}


def test_a_gdt_is_found_by_its_frames() -> None:
    """Without registers, or where they lead elsewhere; frames that are no RAM give null descriptors."""
    memory = Physical()
    memory.octets[0x3000:0x4000] = CODE * 512
    for registers in (None, Told(0x5000, 7).vcpus[2]):
        assert entries_of(GdtContext((3,), 2), registers, memory) == [CODE] * 2
        assert entries_of(GdtContext((0x5000, 3), 513), registers, memory) == [bytes(8)] * 512 + [CODE]
        assert entries_of(GdtContext((), 0), registers, memory) == []


def test_what_is_needed_to_derive() -> None:
    """Registers and memory; without either there is no GDT."""
    machine = Machine("m", NARROW)
    told, memory = Told(0, 0), Physical()
    assert isinstance(derive(StatesDomain(machine, {REGISTERS: told, PHYSICAL: memory})), DerivedGdt)
    assert derive(StatesDomain(machine, {REGISTERS: told})) is None
    assert derive(StatesDomain(machine, {PHYSICAL: memory})) is None


@pytest.mark.parametrize("given", [[], ["--json"]])
def test_the_gdt_of_a_stream_is_shown(given: list[str], tmp_path: Path) -> None:
    """``show FILE GDT`` decodes the entries of a QEMU machine, which has no such record."""
    values = {"control": 0, "gdt": 0x17, "idt": 3, "long": 0, "fpregs_format": 0}
    cpu = qs.section(4, 10, section(12, True, values), "cpu", 0, 12)
    page = bytearray(qs.PAGE)
    page[0x17 : 0x17 + 24] = bytes(8) + CODE + CODE
    blocks = qs.ram({"pc.ram": qs.PAGE}, qs.data(0, bytes(page), "pc.ram"))
    path = qs.written(tmp_path, qs.stream(qs.configuration(), blocks, cpu, qs.ending()))
    result = CliRunner().invoke(show.command, [str(path), "GDT:0", *given], obj=Session(), catch_exceptions=False)
    assert result.exit_code == 0
    if given:
        (record,) = json.loads(result.stdout)["records"]
        assert (record["offset"], record["value"]["frames"]) == (None, [0])
        assert [(row["selector"], row["type"]) for row in record["value"]["descriptors"]] == [(8, "code"), (16, "code")]
    else:
        assert result.stdout.startswith("GDT[0]  type 0x00010210  derived from other records  136 octets")
