"""VCPUS and REGISTERS as views on the device sections of a QEMU machine: of a stream, or of an image of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from domctx.api import Domain, Target
from domctx.errors import DomainError
from domctx.schema import decode as decode_layout, size_of, to_json
from domctx.states import DEVICES, DeviceSection, VcpuContext
from domctx_qemu_stream.apic import Apic
from domctx_qemu_stream.cpu import CPU, architecture_of, decode
from domctx_x86.states import Decoded
from domctx_x86.vcpu import Registers

APIC: Final = "apic"
COMMON: Final = "cpu_common"
HYPERVISOR: Final = "qemu"


class QemuVcpus:
    """The vCPUs of a machine; nothing can be stored: the sections own the state.

    A context's ABI is ``qemu-ARCHITECTURE-vVERSION``, its octets the section ``cpu``.
    """

    def __init__(self, sections: Mapping[str, Mapping[int, DeviceSection]], architecture: str) -> None:
        self._sections, self.architecture = sections, architecture

    @property
    def contexts(self) -> Mapping[int, VcpuContext]:
        """Contexts by vCPU id, ascending."""
        return {
            vcpu: VcpuContext(f"qemu-{self.architecture}-v{section.version}", section.octets)
            for vcpu, section in sorted(self._sections[CPU].items())
        }

    def store(self, vcpu: int, context: VcpuContext) -> None:
        """Raises DomainError."""
        raise DomainError("the registers of a QEMU machine are a view on its device sections, and take nothing")

    @property
    def vcpus(self) -> Mapping[int, Registers]:
        """The registers by vCPU id, with what other sections tell of a vCPU."""
        return Decoded(self._sections[CPU], self._registers)

    def _registers(self, vcpu: int) -> Registers:
        section, apic = self._sections[CPU][vcpu], self._apic(vcpu)
        registers = decode(section.octets, section.version, self.architecture)
        told = to_json(apic) if apic is not None else None
        return attrs.evolve(registers, halted=self._halted(vcpu), apic=told)

    def _apic(self, vcpu: int) -> Apic | None:
        """The local APIC of a vCPU; None where it has none, or one of a version that is not known."""
        section = self._sections[APIC].get(vcpu)
        if section is None or len(section.octets) != size_of(Apic):
            return None
        return decode_layout(Apic, section.octets)

    def _halted(self, vcpu: int) -> bool | None:
        """Whether a vCPU waits for an interrupt; None where nothing tells."""
        section = self._sections[COMMON].get(vcpu)
        return None if section is None or len(section.octets) < 4 else any(section.octets[:4])


def provide(domain: Domain | Target) -> QemuVcpus | None:
    """The view on a domain of QEMU's whose devices include x86 vCPUs; None for any other."""
    machine = getattr(domain, "machine", None)
    devices = domain.state(DEVICES) if getattr(machine, "hypervisor", "") == HYPERVISOR else None
    if devices is None:
        return None
    wanted: dict[str, dict[int, DeviceSection]] = {CPU: {}, APIC: {}, COMMON: {}}
    for section in devices.sections:
        if section.name in wanted:
            wanted[section.name].setdefault(section.instance, section)
    architecture = architecture_of(wanted[CPU].values())
    return QemuVcpus(wanted, architecture) if architecture else None
