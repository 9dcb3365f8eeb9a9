"""The sections of x86 vCPUs, of every version and width."""

from __future__ import annotations

from pathlib import Path

import pytest

from domctx.api import Machine
from domctx.errors import DomainError, DomctxError, RecordError, UnsupportedError
from domctx.states import DEVICES, DeviceSection, VcpuContext
from domctx_qemu import StoredDevices
from domctx_qemu_stream.cpu import architecture_of, decode, length_of
from domctx_qemu_stream.domain import QemuDomain
from domctx_qemu_stream.vcpus import QemuVcpus, provide
from helpers import qemu_streams as qs
from helpers.qemu_corpus import opened
from helpers.qemu_registers import section

WIDTHS = {"x86_64": True, "i386": False}
SIZES = {(11, "x86_64"): 1545, (11, "i386"): 1169, (12, "x86_64"): 1817, (12, "i386"): 1313}
EFER = qs.subsection("cpu/efer32", qs.u64(0x500))


@pytest.mark.parametrize("architecture", WIDTHS)
@pytest.mark.parametrize("version", range(4, 13))
def test_every_version_is_decoded_to_its_end(version: int, architecture: str) -> None:
    """The fixed part ends where the reference says; the last number is where it belongs, subsections are left."""
    octets = section(version, WIDTHS[architecture], {"hflags": 0x55, "smbase": 0x30000, "mcg_cap": 0})
    found = decode(octets + EFER, version, architecture)
    assert length_of(octets + EFER, version, architecture) == len(octets)
    assert len(octets) == SIZES.get((version, architecture), len(octets))
    assert found.state["hflags"] == 0x55
    assert found.state["smbase"] == 0x30000
    assert found.general["rax"] == 1
    assert found.general["rdi"] == 8
    assert len(found.xmm) == (16 if WIDTHS[architecture] else 8)
    assert len(found.ymm) == (len(found.xmm) if version == 12 else 0)
    if architecture == "i386":
        assert found.msrs["efer"] == 0x500
    cpu = DeviceSection("cpu", 0, version, octets + EFER)
    assert architecture_of([cpu]) == architecture


def test_mmx_registers_have_no_exponent() -> None:
    """Where the FPU's registers are told as MMX registers they are 64 bits wide."""
    octets = section(12, True, {"fpregs_format": 1})
    found = decode(octets, 12, "x86_64")
    assert length_of(octets, 12, "x86_64") == len(octets)
    assert {exponent for _, exponent in found.fpu} == {0}


def test_version_10_has_banks_where_it_says_so() -> None:
    """MCE banks are there only where MCG_CAP is not zero, as many as it counts."""
    octets = section(10, True, {"mcg_cap": 3})
    found = decode(octets, 10, "x86_64")
    assert length_of(octets, 10, "x86_64") == len(octets)
    banks = found.state["mce_banks"]
    assert isinstance(banks, tuple)
    assert len(banks) == 12
    assert decode(section(10, True, {"mcg_cap": 0}), 10, "x86_64").msrs["mcg_cap"] == 0


def test_sections_that_cannot_be_are_refused() -> None:
    """Another version, and every cut."""
    for version in (3, 13):
        with pytest.raises(UnsupportedError, match="version that is not known"):
            decode(b"", version, "x86_64")
    octets = section(12, False, {})
    for size in range(0, len(octets), 7):
        with pytest.raises(RecordError, match="ends early"):
            decode(octets[:size], 12, "i386")


def test_whose_emulator_it_was_is_told_by_description_or_shape() -> None:
    """The description's size of EIP counts first; what fits nothing is nobody's."""
    for size, architecture in ((8, "x86_64"), (4, "i386"), ("x", "")):
        described = DeviceSection("cpu", 0, 12, b"", {"fields": [{"name": "env.eip", "size": size}]})
        assert architecture_of([described]) == architecture
    assert architecture_of([DeviceSection("cpu", 0, 12, b"x" * 99, {"fields": 5})]) == ""
    assert architecture_of([]) == ""


APIC = bytes(range(181))


class Machines:
    """A domain of device sections."""

    scheme = location = "test"

    def __init__(self, hypervisor: str, *sections: DeviceSection) -> None:
        self.machine = Machine("m", "x86_64", hypervisor)
        self._sections = StoredDevices(sections)

    def state(self, key: object) -> object:
        """Its devices."""
        return self._sections if key == DEVICES else None


def vcpus_of(*sections: DeviceSection, hypervisor: str = "qemu") -> QemuVcpus | None:
    """The view on a domain of these sections."""
    return provide(Machines(hypervisor, *sections))  # type: ignore[arg-type]  # as much of a Domain as is used


def test_the_view() -> None:
    """Contexts, registers, APIC and whether a vCPU is halted come from its sections; nothing is stored."""
    octets = section(12, True, {})
    cpu, common = DeviceSection("cpu", 3, 12, octets), DeviceSection("cpu_common", 3, 1, qs.u32(1) + qs.u32(0))
    vcpus = vcpus_of(common, cpu, DeviceSection("apic", 3, 3, APIC))
    assert vcpus is not None
    assert vcpus.contexts == {3: VcpuContext("qemu-x86_64-v12", octets)}
    registers = vcpus.vcpus[3]
    assert registers.general["rax"] == 1
    assert registers.halted is True
    assert registers.apic is not None
    assert (registers.apic["apicbase"], registers.apic["id"]) == (0x00010203, 4)
    assert list(vcpus.vcpus) == [3]
    with pytest.raises(DomainError, match="take nothing"):
        vcpus.store(0, VcpuContext("x", b""))


def test_what_has_no_view() -> None:
    """Another hypervisor's domain, one without vCPUs, and a vCPU without an APIC or cpu_common."""
    cpu = DeviceSection("cpu", 0, 12, section(12, True, {}))
    assert vcpus_of(cpu, hypervisor="xen") is None
    assert vcpus_of() is None
    vcpus = vcpus_of(cpu, DeviceSection("apic", 0, 3, b"short"))
    assert vcpus is not None
    assert vcpus.vcpus[0].apic is None
    assert vcpus.vcpus[0].halted is None


def test_a_stream_of_a_32_bit_emulator(tmp_path: Path) -> None:
    """Without description or footer a 32-bit machine is told by the length of its vCPU's section."""
    cpu = qs.section(4, 5, section(12, False, {}) + EFER, "cpu", 0, 12)
    domain: QemuDomain = opened(qs.written(tmp_path, qs.stream(qs.configuration(), cpu, qs.ending())))
    assert domain.machine.architecture == "i386"
    assert domain.machine.vcpus == (0,)
    vcpus = provide(domain)
    assert vcpus is not None
    assert vcpus.vcpus[0].msrs["efer"] == 0x500
    assert isinstance(domain.elements.problem, DomctxError | None)
