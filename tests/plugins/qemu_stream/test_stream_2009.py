"""Streams of 2009: reader and generator against each other, since no such file can be had any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from domctx.states import DEVICES
from domctx_qemu.fields import decode
from domctx_qemu.known import description_of
from domctx_qemu_stream.features import Feature, features_of
from domctx_qemu_stream.vcpus import provide
from helpers import qemu_2009 as old, qemu_streams as qs
from helpers.qemu_corpus import memory_of, opened
from helpers.qemu_registers import section
from helpers.qemu_streams import PAGE
from helpers.qemu_writing import rewritten

VERSIONS = range(4, 11)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("count", [1, 2])
def test_a_machine_of_2009_is_read_whole(version: int, wide: bool, count: int, tmp_path: Path) -> None:
    """RAM, every section with just its own octets, and every vCPU, of every version in 32 and 64 bits."""
    domain = opened(qs.written(tmp_path, old.machine(version, wide=wide, count=count)))
    assert domain.elements.problem is None
    assert not domain.elements.searched
    assert memory_of(domain) == [qs.pages(1) + b"\xff" * PAGE + bytes(PAGE) + qs.pages(4)]
    found = {(each.name, each.instance): each for each in domain.sections}
    assert found["timer", 0].octets == old.TIMER_2
    assert found["kvm-tpr-opt", 0].octets == old.TPR
    assert found["apic", 0].octets == old.APIC_3
    for vcpu in range(count):
        assert found["cpu", vcpu].octets == section(version, wide, {"fpregs_format": 0, "mcg_cap": 0})
    vcpus = provide(domain)
    assert vcpus is not None
    assert list(vcpus.vcpus) == list(range(count))
    assert vcpus.architecture == ("x86_64" if wide else "i386")
    if version >= 6:
        assert [vcpus.vcpus[vcpu].halted for vcpu in range(count)] == [bool(vcpu) for vcpu in range(count)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("wide", [True, False])
def test_it_comes_back(version: int, wide: bool, tmp_path: Path) -> None:
    """Octet for octet, but that a page of one octet other than zero is written whole."""
    octets = old.machine(version, wide=wide)
    packed = qs.u64(PAGE | qs.ZERO) + b"\xff"
    assert rewritten(octets, tmp_path) == octets.replace(packed, qs.u64(PAGE | qs.DATA) + b"\xff" * PAGE)


def test_machine_checks_of_version_10(tmp_path: Path) -> None:
    """Banks of machine checks make the section longer."""
    values = {"mcg_cap": 10}
    domain = opened(qs.written(tmp_path, old.machine(10, values=values)))
    assert domain.elements.problem is None
    assert not domain.elements.searched


def test_fields_have_names(tmp_path: Path) -> None:
    """Sections that every age wrote alike are told field by field, though the stream describes none."""
    domain = opened(qs.written(tmp_path, old.machine()))
    devices = domain.state(DEVICES)
    assert devices is not None
    told = {each.name: decode(description_of(each), each.octets) for each in devices.sections}
    assert told["timer"] == {"cpu_ticks_offset": 1, "ticks_per_sec": 10**9, "cpu_clock_offset": 3}
    assert told["cpu_common"] == {"halted": 1, "interrupt_request": 2}
    tpr = told["kvm-tpr-opt"]
    assert isinstance(tpr, dict)
    assert tpr["rom_state"]["vaddr"] == int.from_bytes(old.TPR[8:12], "big")
    assert tpr["rom_state"]["mp"]["get_tpr_stack"] == int.from_bytes(old.TPR[120:124], "big")
    assert tpr["rom_state_paddr"] == int.from_bytes(old.TPR[140:144], "big")
    apic = told["apic"]
    assert isinstance(apic, dict)
    assert apic["isr"] == [0] * 8


def test_features_are_those_of_the_sections(tmp_path: Path) -> None:
    """RAM, CPU, timer and KVM, as the reader of 2009 numbered them; what makes no machine is told."""
    domain = opened(qs.written(tmp_path, old.machine()))
    names = ["ram", *(each.name for each in domain.sections)]
    assert features_of(names) == Feature.RAM | Feature.CPU | Feature.TIMER | Feature.KVM == Feature(15)
    assert features_of(["timer", "vga"]) == Feature.TIMER
    notes: list[str] = []
    path = qs.written(tmp_path, qs.stream(old.full(1, "timer", 1, old.TIMER_1), b"\0"))
    again = type(domain)(opened(path).file, notes.append)
    _ = again.elements
    assert [note.partition(": ")[2] for note in notes] == [
        "the stream holds no RAM and no CPU: it is not a whole machine"
    ]


def test_unknown_devices_do_not_end_the_reading(tmp_path: Path) -> None:
    """What follows a device of unknown length is found, and the last may have any length."""
    octets = old.machine()[:-1] + old.full(50, "mystery", 7, b"\x04" * 30) + old.full(51, "kvmclock", 1, qs.u64(5))
    domain = opened(qs.written(tmp_path, octets + old.full(52, "last", 1, b"\1\2\3") + b"\0"))
    assert domain.elements.problem is None
    assert domain.elements.searched == {"mystery", "last"}
    assert [(each.name, len(each.octets)) for each in domain.sections][-3:] == [
        ("mystery", 30),
        ("kvmclock", 8),
        ("last", 3),
    ]


def test_a_length_that_does_not_fit_is_searched(tmp_path: Path) -> None:
    """A section of a known name that is longer than it should be is kept whole."""
    octets = qs.stream(old.full(1, "timer", 2, old.TIMER_2 + b"more"), old.full(2, "cpu", 3, bytes(9)), b"\0")
    domain = opened(qs.written(tmp_path, octets))
    assert domain.elements.problem is None
    assert [each.octets for each in domain.sections] == [old.TIMER_2 + b"more", bytes(9)]
    footed = qs.stream(qs.section(4, 1, old.TIMER_2, "timer", 0, 2), qs.section(4, 2, b"x", "last"), b"\0")
    again = opened(qs.written(tmp_path, footed))
    assert [each.octets for each in again.sections] == [old.TIMER_2, b"x"]
    assert again.elements.searched == {"last"}
