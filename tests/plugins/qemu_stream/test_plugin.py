"""The formats, the provider and the command, as the core calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import domctx_qemu_stream
from domctx.cli.session import Session
from domctx.context import OpenContext, Operation
from domctx.states import VCPUS
from domctx_qemu_stream import plugin
from domctx_qemu_stream.domain import open_domain
from domctx_qemu_stream.show_registers import command
from helpers import qemu_streams as qs
from helpers.qemu_registers import section


def machine(folder: Path) -> Path:
    """A stream with two vCPUs."""
    cpus = [qs.section(4, 10 + cpu, section(12, True, {}), "cpu", cpu, 12) for cpu in range(2)]
    halted = qs.section(4, 20, qs.u32(1) + qs.u32(0), "cpu_common", 1)
    return qs.written(folder, qs.stream(qs.configuration(), *cpus, halted, qs.ending()))


def test_what_is_registered() -> None:
    """Two schemes, a derived state, a command."""
    qemu, libvirt = plugin.domctx_formats()
    assert (qemu.scheme, libvirt.scheme) == ("qemu", "libvirt")
    assert [option.name for option in libvirt.options] == ["ram-file"]
    (provider,) = plugin.domctx_state_providers()
    assert (provider.key, provider.owned) == (VCPUS, False)
    assert [found.name for found in plugin.domctx_commands()] == ["registers"]


def test_a_file_is_opened_and_covered(tmp_path: Path) -> None:
    """Opening gives the domain; what no check covers is said of the stream, and of a domain that is none."""
    path = qs.written(tmp_path, qs.plain())
    domain = plugin.open_(str(path), OpenContext(Operation(), plugin.OPTIONS, {}))
    covered = {part.part: part.check for part in plugin.coverage(domain)}
    assert covered["ends of sections"] == "section footers"
    assert covered["contents of pages and device sections"] == ""
    assert plugin.vcpus(domain) is None
    domain.close()


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
    assert "no vCPUs of QEMU's" in str(result.exception)


def test_the_package_gives_its_names_when_they_are_asked_for() -> None:
    """The domain is imported on demand; there is no other name."""
    assert domctx_qemu_stream.open_domain is open_domain
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = domctx_qemu_stream.nothing
