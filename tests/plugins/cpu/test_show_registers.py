"""The command ``registers``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from domctx.cli.session import Session
from domctx_cpu.show_registers import command
from helpers import qemu_streams as qs
from helpers.qemu_registers import section


def machine(folder: Path) -> Path:
    """A stream with two vCPUs."""
    cpus = [qs.section(4, 10 + cpu, section(12, True, {}), "cpu", cpu, 12) for cpu in range(2)]
    halted = qs.section(4, 20, qs.u32(1) + qs.u32(0), "cpu_common", 1)
    return qs.written(folder, qs.stream(qs.configuration(), *cpus, halted, qs.ending()))


@pytest.mark.parametrize("given", [[], ["--json"]])
def test_registers_are_shown(given: list[str], tmp_path: Path) -> None:
    """Each vCPU's registers, for people and as JSON."""
    result = CliRunner().invoke(command, [str(machine(tmp_path)), *given], obj=Session(), catch_exceptions=False)
    assert result.exit_code == 0
    if given:
        found = json.loads(result.stdout)["vcpus"]
        assert [vcpu["vcpu"] for vcpu in found] == [0, 1]
        assert found[1]["halted"] is True
        assert found[0]["general"]["rcx"] == "0x2"
    else:
        assert "vCPU 1: x86_64, CPL 0, halted" in result.stdout or "vCPU 1: x86_64, CPL" in result.stdout
        assert "rcx    0000000000000002" in result.stdout


@pytest.mark.parametrize("given", [[], ["--json"]])
def test_descriptor_tables_are_shown(given: list[str], tmp_path: Path) -> None:
    """With --tables the entries of GDT and IDT stand behind the registers."""
    values = {"control": 0, "gdt": 0x17, "idt": 3, "long": 0, "fpregs_format": 0}
    cpu = qs.section(4, 10, section(12, True, values), "cpu", 0, 12)
    blocks = qs.ram({"pc.ram": qs.PAGE}, qs.data(0, qs.pages(1), "pc.ram"))
    path = qs.written(tmp_path, qs.stream(qs.configuration(), blocks, cpu, qs.ending()))
    result = CliRunner().invoke(command, [str(path), "--tables", *given], obj=Session(), catch_exceptions=False)
    assert result.exit_code == 0
    entry = qs.pages(1)[0x17 : 0x17 + 8].hex()
    if given:
        found = json.loads(result.stdout)["vcpus"][0]
        assert found["gdt_entries"] == [entry, qs.pages(1)[0x1F:0x27].hex(), qs.pages(1)[0x27:0x2F].hex()]
        assert found["idt_entries"] == [qs.pages(1)[3:7].hex()]
    else:
        assert f"gdt[0] {entry}" in result.stdout


def test_what_has_no_vcpus_is_refused(tmp_path: Path) -> None:
    """A stream without vCPUs has no registers to show."""
    result = CliRunner().invoke(command, [str(qs.written(tmp_path, qs.plain()))], obj=Session())
    assert "nothing tells of x86 vCPUs" in str(result.exception)
