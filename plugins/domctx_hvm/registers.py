"""REGISTERS as a view on the HVM context of a domain (formats/xen.md 3.2, 3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from domctx.api import Domain, Target
from domctx.errors import RecordError
from domctx.schema import decode, offset_of, size_of
from domctx_hvm.cpu_layout import FPU_INITIALISED, Cpu, CpuCompat
from domctx_hvm.image import Entry, split
from domctx_hvm.irq_layout import LAPIC_NAMES, Lapic, LapicRegs
from domctx_hvm.states import HVM_CONTEXT
from domctx_hvm.types import decode_entry
from domctx_hvm.vcpu_layout import CpuXsave, Mtrr, TscAdjust
from domctx_x86.fpu import fpu_fields
from domctx_x86.states import Decoded
from domctx_x86.vcpu import WIDE, Registers, Segment
from domctx_x86.xsave import XsaveArea

CPU: Final = 2
GENERAL: Final = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{number}" for number in range(8, 16)))
SEGMENTS: Final = ("es", "cs", "ss", "ds", "fs", "gs")
TABLES: Final = ("gdt", "idt")
MSRS: Final[Mapping[str, str]] = {
    "sysenter_cs": "sysenter_cs",
    "sysenter_esp": "sysenter_esp",
    "sysenter_eip": "sysenter_eip",
    "efer": "msr_efer",
    "star": "msr_star",
    "lstar": "msr_lstar",
    "cstar": "msr_cstar",
    "fmask": "msr_syscall_mask",
    "kernelgsbase": "shadow_gs",
    "tsc": "tsc",
}
"""Our fields of the MSRs, by the names that ``Registers`` has them by."""


class HvmRegisters:
    """The registers of the vCPUs of an HVM save image. Raises RecordError and UnsupportedError as ``image.split``."""

    def __init__(self, octets: bytes) -> None:
        self._entries: dict[int, list[Entry]] = {}
        for entry in split(octets).entries:
            self._entries.setdefault(entry.instance, []).append(entry)

    @property
    def vcpus(self) -> Mapping[int, Registers]:
        """Registers by vCPU id, ascending, of every vCPU with a CPU entry; RecordError for one of a wrong length."""
        having = (vcpu for vcpu, entries in self._entries.items() if any(each.typecode == CPU for each in entries))
        return Decoded(having, self._registers)

    def _registers(self, vcpu: int) -> Registers:
        entries = self._entries[vcpu]
        beside = {type(value): value for value in map(decode_entry, entries) if value is not None}
        return registers_of(cpu_of([entry for entry in entries if entry.typecode == CPU][-1]), beside)


def cpu_of(entry: Entry) -> Cpu | CpuCompat:
    """The registers in a CPU entry; the FPU of one that is too old to tell counts as initialised, as Xen has it.

    Raises RecordError for a length that no CPU entry has.
    """
    value: Cpu | CpuCompat | None = decode_entry(entry)
    if value is None:
        raise RecordError(
            f"entry CPU[{entry.instance}] has no known length",
            offset=entry.offset,
            expected=f"at most 0x{size_of(Cpu):08x} octets",
            got=f"0x{len(entry.octets):08x}",
        )
    if isinstance(value, Cpu) and len(entry.octets) <= offset_of(Cpu, "flags"):
        return attrs.evolve(value, flags=FPU_INITIALISED)
    return value


def registers_of(cpu: Cpu | CpuCompat, beside: Mapping[type[Any], Any]) -> Registers:
    """The registers of a CPU entry; ``beside`` are the vCPU's other entries as objects, by their layouts."""
    head = {name: getattr(cpu, name) for name in (*GENERAL, "rip", "rflags")}
    return Registers(
        architecture=WIDE,
        general=head,
        segments=_segments(cpu),
        control={name: getattr(cpu, name) for name in ("cr0", "cr2", "cr3", "cr4")},
        debug=(cpu.dr0, cpu.dr1, cpu.dr2, cpu.dr3, 0, 0, cpu.dr6, cpu.dr7),
        msrs=_msrs(cpu, beside),
        state={"pending_event": cpu.pending_event, "error_code": cpu.error_code} | _xcr0(beside),
        apic=_apic(beside),
        **_fpu(cpu, beside),
    )


def _segments(cpu: Cpu | CpuCompat) -> dict[str, Segment]:
    found = {name: _segment(cpu, name) for name in SEGMENTS}
    found |= {"ldt": _segment(cpu, "ldtr"), "tr": _segment(cpu, "tr")}
    tables = {name: Segment(0, getattr(cpu, f"{name}r_base"), getattr(cpu, f"{name}r_limit"), 0) for name in TABLES}
    return found | tables


def _segment(cpu: Cpu | CpuCompat, name: str) -> Segment:
    """A segment; its access rights spread to where a descriptor's second word has them.

    Old Xen on Intel's processors wrote them as these have them, AVL to G in bits 12 to 15; today's loads them so.
    """
    selector, base, limit, rights = (getattr(cpu, f"{name}_{part}") for part in ("sel", "base", "limit", "arbytes"))
    if rights & 0xF000 and not rights & 0x0F00:
        rights = rights & 0xFF | rights >> 4 & 0xF00
    return Segment(selector, base, limit, (rights & 0xFF) << 8 | (rights & 0xF00) << 12)


def _msrs(cpu: Cpu | CpuCompat, beside: Mapping[type[Any], Any]) -> dict[str, int]:
    found = {name: getattr(cpu, field) for name, field in MSRS.items()}
    if isinstance(cpu, Cpu):
        found["tsc_aux"] = cpu.msr_tsc_aux
    if Mtrr in beside:
        found["pat"] = beside[Mtrr].msr_pat_cr
    if TscAdjust in beside:
        found["tsc_adjust"] = beside[TscAdjust].tsc_adjust
    return found


def _xcr0(beside: Mapping[type[Any], Any]) -> dict[str, int]:
    return {"xcr0": beside[CpuXsave].xcr0} if CpuXsave in beside else {}


def _apic(beside: Mapping[type[Any], Any]) -> dict[str, Any] | None:
    if Lapic not in beside or LapicRegs not in beside:
        return None
    registers = zip(LAPIC_NAMES.values(), (beside[LapicRegs].data[index].value for index in LAPIC_NAMES), strict=True)
    return {"apicbase": beside[Lapic].apic_base_msr, **dict(registers)}


def _fpu(cpu: Cpu | CpuCompat, beside: Mapping[type[Any], Any]) -> dict[str, Any]:
    """The FPU's registers; none where it was not initialised."""
    if isinstance(cpu, Cpu) and not cpu.flags & FPU_INITIALISED:
        return {}
    saved = beside[CpuXsave].save_area if CpuXsave in beside else b""
    area = decode(XsaveArea, saved) if len(saved) >= size_of(XsaveArea) else None
    return fpu_fields(cpu.fpu_regs, area)


def provide(domain: Domain | Target) -> HvmRegisters | None:
    """The view on a domain that has an HVM context; None for any other."""
    context = domain.state(HVM_CONTEXT)
    octets = context.octets if context is not None else None
    return None if octets is None else HvmRegisters(octets)
