"""What Xen asks of an HVM context before it takes it, beyond the framing (formats/xen.md 3.1).

The rules are those that have held in every release: unknown types, lengths, and what each load handler refuses (the
hvm_load and hvm_check functions of xen/arch/x86/hvm). What depends on the host, as the valid bits of CR4, is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from domctx.errors import RecordError
from domctx.schema import decode, size_of
from domctx_hvm.cpu_layout import FPU_INITIALISED, Cpu, CpuCompat
from domctx_hvm.image import HEAD, Entry, split
from domctx_hvm.irq_layout import APIC_ENABLED, APIC_EXTENDED, Lapic, PciLink, Pic
from domctx_hvm.types import decode_entry, type_name, type_of
from domctx_hvm.vcpu_layout import CpuMsr, CpuXsave, MsrEntry, ViridianVcpu
from domctx_x86.xsave import XsaveArea

CR0_PE, CR0_ET, CR0_PG = 1 << 0, 1 << 4, 1 << 31
NARROW: Final = 0xFFFF_FFFF
PICS: Final = 2
ISA_IRQS: Final = 16


class _BrokenError(Exception):
    """A rule that an entry breaks: what it is, what it asks for, what is there."""

    def __init__(self, message: str, expected: str, got: int) -> None:
        super().__init__(message)
        self.message, self.expected, self.got = message, expected, f"0x{got:x}"


def check_image(octets: bytes) -> None:
    """Raise RecordError for the first entry that Xen would refuse, with its place; else as ``image.split``."""
    for entry in split(octets).entries:
        try:
            _check(entry)
        except _BrokenError as error:
            name = f"{type_name(entry.typecode)}[{entry.instance}]"
            raise RecordError(
                f"{name} of the HVM context: {error.message}",
                offset=entry.offset + HEAD,
                expected=error.expected,
                got=error.got,
            ) from None


def _check(entry: Entry) -> None:
    kind = type_of(entry.typecode)
    if kind is None:
        raise _BrokenError("its type is not known to Xen", "a type code below 0x15", entry.typecode)
    if kind.layout is None:  # END, whose framing says it all
        return
    if not kind.per_vcpu and entry.instance >= (PICS if kind.layout is Pic else 1):
        raise _BrokenError("there is no such unit", f"an instance of {kind.name} that there is", entry.instance)
    value = decode_entry(entry)
    if value is None:
        size = size_of(kind.layout)
        expected = f"0x{size:x} octets, {kind.length.value}"
        raise _BrokenError("it has a length that it cannot have", expected, len(entry.octets))
    rule = RULES.get(type(value))
    if rule is not None:
        rule(value)


def _zero(value: int, what: str) -> None:
    if value:
        raise _BrokenError(f"{what} is not zero", "0x0", value)


def _cpu(value: Cpu | CpuCompat) -> None:
    if not value.cr0 & CR0_ET or value.cr0 & (CR0_PE | CR0_PG) == CR0_PG:
        raise _BrokenError("cr0 is none that a processor has", "ET, and PE wherever PG is", value.cr0)
    for name in ("dr6", "dr7", "msr_tsc_aux"):
        if getattr(value, name, 0) > NARROW:
            raise _BrokenError(f"{name} is longer than 32 bits", "at most 0xffffffff", getattr(value, name))
    if isinstance(value, Cpu):
        _zero(value.flags & ~FPU_INITIALISED, "what flags has beside bit 0")
        _zero(value.pad0, "pad0")


def _lapic(value: Lapic) -> None:
    if value.apic_base_msr & (APIC_ENABLED | APIC_EXTENDED) == APIC_EXTENDED:
        raise _BrokenError("apic_base_msr is in x2APIC mode, but off", "bit 11 wherever bit 10 is", value.apic_base_msr)


def _pci_link(value: PciLink) -> None:
    for route in value.route:
        if route >= ISA_IRQS:
            raise _BrokenError("a link leads to no ISA interrupt", "at most 0xf", route)


def _xsave(value: CpuXsave) -> None:
    """An empty area is what Xen before 4.12 wrote of a vCPU that had not used XSAVE."""
    if not value.save_area:
        return
    if len(value.save_area) < size_of(XsaveArea):
        raise _BrokenError("its area is too short", f"at least 0x{size_of(XsaveArea):x} octets", len(value.save_area))
    area = decode(XsaveArea, value.save_area)
    accum = f"bits of 0x{value.xcr0_accum:x}"
    if value.xcr0 & ~value.xcr0_accum:
        raise _BrokenError("xcr0 has what xcr0_accum has not", accum, value.xcr0)
    if area.xstate_bv & ~value.xcr0_accum:
        raise _BrokenError("xstate_bv has what xcr0_accum has not", accum, area.xstate_bv)
    for number in (area.xcomp_bv, *area.reserved):
        _zero(number, "the area's header behind xstate_bv")


def _viridian(value: ViridianVcpu) -> None:
    _zero(int.from_bytes(value.pad, "little"), "pad")


def _msrs(value: CpuMsr) -> None:
    size = size_of(MsrEntry)
    if not value.count or value.count * size != len(value.msrs):
        raise _BrokenError("count does not fit its length", f"0x{len(value.msrs) // size:x}, and not 0", value.count)
    for place in range(0, len(value.msrs), size):
        _zero(decode(MsrEntry, value.msrs[place : place + size]).reserved, "a reserved field")


RULES: Final[Mapping[type[Any], Callable[[Any], None]]] = MappingProxyType(
    {
        Cpu: _cpu,
        CpuCompat: _cpu,
        Lapic: _lapic,
        PciLink: _pci_link,
        CpuXsave: _xsave,
        ViridianVcpu: _viridian,
        CpuMsr: _msrs,
    }
)
"""By layout."""
