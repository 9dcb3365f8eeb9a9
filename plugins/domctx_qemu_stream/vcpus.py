"""VCPUS as a view on the device sections of a QEMU machine, whether a stream or an image of one holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from domctx.api import Domain, Target
from domctx.errors import DomainError
from domctx.schema import decode as decode_layout, size_of, to_json
from domctx.states import DEVICES, DeviceSection, Memory, VcpuContext
from domctx_qemu_stream.apic import Apic
from domctx_qemu_stream.cpu import CPU, Registers, architecture_of, decode

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

    def registers(self, vcpu: int) -> Registers:
        """The registers of a vCPU. Raises DomainError where there is none, RecordError, UnsupportedError."""
        section = self._sections[CPU].get(vcpu)
        if section is None:
            raise DomainError(f"there is no vCPU {vcpu}", expected=", ".join(map(str, self._sections[CPU])))
        return decode(section.octets, section.version, self.architecture)

    def apic(self, vcpu: int) -> Apic | None:
        """The local APIC of a vCPU; None where it has none, or one of a version that is not known."""
        section = self._sections[APIC].get(vcpu)
        if section is None or len(section.octets) != size_of(Apic):
            return None
        return decode_layout(Apic, section.octets)

    def descriptors(self, vcpu: int, table: str, memory: Memory) -> list[bytes]:
        """The entries of a vCPU's ``gdt`` or ``idt``, read through its page tables."""
        from domctx_qemu_stream.walk import descriptors, reader_of

        return descriptors(self.registers(vcpu), reader_of(memory), table)

    def halted(self, vcpu: int) -> bool | None:
        """Whether a vCPU waits for an interrupt; None where nothing tells."""
        section = self._sections[COMMON].get(vcpu)
        return None if section is None or len(section.octets) < 4 else any(section.octets[:4])

    def described(self, vcpu: int) -> dict[str, Any]:
        """The registers as a JSON value: numbers in hexadecimal, by name."""
        registers, apic = self.registers(vcpu), self.apic(vcpu)
        value = attrs.asdict(registers) | {"cpl": registers.cpl, "halted": self.halted(vcpu)}
        del value["end"]
        value["fpu"] = [{"mantissa": mantissa, "exponent": exponent} for mantissa, exponent in registers.fpu]
        found: dict[str, Any] = _hexed(value)
        return found | {"apic": to_json(apic) if apic is not None else None}


def _hexed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _hexed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hexed(item) for item in value]
    return f"{value:#x}" if type(value) is int else value


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
