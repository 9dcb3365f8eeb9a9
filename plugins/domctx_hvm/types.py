"""The types of entry in an HVM save image: codes, names, layouts, and the lengths that Xen takes (formats/xen.md 3).

"strict" types have exactly their layout's length; of "zero-extend" types a shorter body is filled with zeros; others
vary. An entry of a length that its type cannot have, or of an unknown type, is kept as octets.
"""

from __future__ import annotations

import enum
from typing import Any, Final

from domctx.errors import RecordError
from domctx.schema import decode, encode, size_of
from domctx.values import frozen
from domctx_hvm import irq_layout as irq, timer_layout as timer, vcpu_layout as vcpu
from domctx_hvm.cpu_layout import Cpu, CpuCompat
from domctx_hvm.image import Entry
from domctx_hvm.layout import Header


class Length(enum.Enum):
    """Which lengths a type's bodies have."""

    STRICT = "strict"
    EXTENDED = "zero-extend"
    VARIABLE = "variable"


@frozen
class EntryType:
    """A type of entry; ``per_vcpu`` says that its instance is a vCPU id."""

    code: int
    name: str
    layout: type[Any] | None
    length: Length = Length.STRICT
    per_vcpu: bool = False


TYPES: Final = (
    EntryType(0, "END", None),
    EntryType(1, "HEADER", Header),
    EntryType(2, "CPU", Cpu, Length.EXTENDED, True),
    EntryType(3, "PIC", irq.Pic),
    EntryType(4, "IOAPIC", irq.Ioapic),
    EntryType(5, "LAPIC", irq.Lapic, Length.EXTENDED, True),
    EntryType(6, "LAPIC_REGS", irq.LapicRegs, Length.STRICT, True),
    EntryType(7, "PCI_IRQ", irq.PciIrq),
    EntryType(8, "ISA_IRQ", irq.IsaIrq),
    EntryType(9, "PCI_LINK", irq.PciLink),
    EntryType(10, "PIT", timer.Pit),
    EntryType(11, "RTC", timer.Rtc, Length.EXTENDED),
    EntryType(12, "HPET", timer.Hpet),
    EntryType(13, "PMTIMER", timer.Pmtimer),
    EntryType(14, "MTRR", vcpu.Mtrr, Length.STRICT, True),
    EntryType(15, "VIRIDIAN_DOMAIN", vcpu.ViridianDomain, Length.EXTENDED),
    EntryType(16, "CPU_XSAVE", vcpu.CpuXsave, Length.VARIABLE, True),
    EntryType(17, "VIRIDIAN_VCPU", vcpu.ViridianVcpu, Length.EXTENDED, True),
    EntryType(18, "VMCE_VCPU", vcpu.VmceVcpu, Length.EXTENDED, True),
    EntryType(19, "TSC_ADJUST", vcpu.TscAdjust, Length.STRICT, True),
    EntryType(20, "CPU_MSR", vcpu.CpuMsr, Length.VARIABLE, True),
)
"""By type code, without a gap."""


def type_of(typecode: int) -> EntryType | None:
    """The type of a code; None where it is not known."""
    return TYPES[typecode] if typecode < len(TYPES) else None


def type_name(typecode: int) -> str:
    """The name of a type of entry; ``TYPE_21`` where it is not known."""
    found = type_of(typecode)
    return f"TYPE_{typecode}" if found is None else found.name


def layout_of(entry: Entry) -> type[Any] | None:
    """The layout of an entry's body; None where its type is not known or cannot have its length."""
    found, size = type_of(entry.typecode), len(entry.octets)
    if found is None or found.layout is None:
        return None
    if found.layout is Cpu and size == size_of(CpuCompat):
        return CpuCompat
    whole = size_of(found.layout)
    fits = {Length.STRICT: size == whole, Length.EXTENDED: size <= whole, Length.VARIABLE: size >= whole}
    return found.layout if fits[found.length] else None


def decode_entry(entry: Entry) -> Any | None:
    """The body as an object of its layout, a shorter one filled with zeros; None where it has none."""
    layout = layout_of(entry)
    return None if layout is None else decode(layout, entry.octets.ljust(size_of(layout), b"\0"))


def encode_entry(value: Any, length: int) -> bytes:
    """The ``length`` octets of a body that ``decode_entry`` made an object of. Raises RecordError for cut-off state."""
    octets = encode(value)
    if any(octets[length:]):
        raise RecordError(
            f"{type(value).__name__} has state that a shorter entry has no room for",
            expected=f"0x{length:08x} octets",
            got=f"0x{len(octets.rstrip(bytes(1))):08x}",
        )
    return octets[:length]
