"""Entries of interrupt controllers and lines (formats/xen.md 3.2). Unused octets are kept as they are found."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

from domctx.schema import U8, U32, U64, Array, Bytes, layout
from domctx.values import frozen

APIC_ENABLED: Final = 1 << 11
APIC_EXTENDED: Final = 1 << 10
"""Bits of ``apic_base_msr``: the APIC is on; it is in x2APIC mode, which needs the former."""


@layout(source="formats/xen.md 3.2: PIC")
@frozen(kw_only=True)
class Pic:
    """One 8259: instance 0 is the master, 1 the slave."""

    irr: Annotated[int, U8("a bit for each line that requests")]
    imr: Annotated[int, U8("a bit for each line that is masked")]
    isr: Annotated[int, U8("a bit for each line in service")]
    irq_base: Annotated[int, U8("the vector of line 0")]
    init: Annotated[int, U8("bits 0-3 init_state, 4-7 priority_add")]
    modes: Annotated[int, U8("readsel_isr, poll, auto_eoi, rotate_on_auto_eoi, special_*, is_master, from bit 0 on")]
    elcr: Annotated[int, U8("a bit for each line that is level-triggered")]
    int_output: Annotated[int, U8("the output to the processor")]


@layout(source="formats/xen.md 3.2: IOAPIC, redirtbl")
@frozen(kw_only=True)
class Redirection:
    """Where one pin of the I/O APIC leads."""

    vector: Annotated[int, U8("the vector")]
    delivery: Annotated[int, U8("delivery mode, destination mode, status, polarity, remote IRR, trigger mode")]
    masking: Annotated[int, U8("bit 0: masked")]
    reserved: Annotated[bytes, Bytes(4, "unused")]
    dest_id: Annotated[int, U8("the destination's APIC id")]


@layout(source="formats/xen.md 3.2: IOAPIC")
@frozen(kw_only=True)
class Ioapic:
    """The I/O APIC."""

    base_address: Annotated[int, U64("where its registers stand", unit="guest-physical address")]
    ioregsel: Annotated[int, U32("the register that is selected")]
    id: Annotated[int, U32("its APIC id")]
    redirtbl: Annotated[tuple[Redirection, ...], Array(Redirection, 48, "by pin")]


@layout(source="formats/xen.md 3.2: LAPIC")
@frozen(kw_only=True)
class Lapic:
    """What of a local APIC is not in its registers; without the last eight octets up to Xen 4.17 at least."""

    apic_base_msr: Annotated[int, U64("MSR APIC_BASE: address and flags")]
    disabled: Annotated[int, U32("why it is off: bit 0 by the MSR, bit 1 by the spurious vector register")]
    timer_divisor: Annotated[int, U32("the timer's divisor")]
    tdt_msr: Annotated[int, U64("MSR TSC_DEADLINE", unit="cycles")]
    pending_esr: Annotated[int, U32("errors that ESR does not show yet")]
    tail: Annotated[bytes, Bytes(4, "unused")]


@layout(source="formats/xen.md 3.2: LAPIC_REGS; Intel SDM volume 3, 11.4.1")
@frozen
class LapicRegister:
    """A register of 32 bits in its 16 octets."""

    value: Annotated[int, U32("the register")]
    unused: Annotated[bytes, Bytes(12, "unused")]


@layout(source="formats/xen.md 3.2: LAPIC_REGS")
@frozen
class LapicRegs:
    """The registers of a local APIC as they stand in its page, the first 1024 octets of it."""

    data: Annotated[tuple[LapicRegister, ...], Array(LapicRegister, 64, "by offset / 16")]


def _numbered(name: str, first: int) -> dict[int, str]:
    return {first + index: f"{name}{index}" for index in range(8)}


LAPIC_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x02: "id",
        0x03: "version",
        0x08: "tpr",
        0x09: "apr",
        0x0A: "ppr",
        0x0B: "eoi",
        0x0C: "rrd",
        0x0D: "ldr",
        0x0E: "dfr",
        0x0F: "svr",
        **_numbered("isr", 0x10),
        **_numbered("tmr", 0x18),
        **_numbered("irr", 0x20),
        0x28: "esr",
        0x2F: "lvt_cmci",
        0x30: "icr_low",
        0x31: "icr_high",
        0x32: "lvt_timer",
        0x33: "lvt_thermal",
        0x34: "lvt_performance",
        0x35: "lvt_lint0",
        0x36: "lvt_lint1",
        0x37: "lvt_error",
        0x38: "timer_initial_count",
        0x39: "timer_current_count",
        0x3E: "timer_divide",
    }
)
"""The names of a local APIC's registers, by offset / 16 (Intel SDM volume 3, table 11-1)."""


@layout(source="formats/xen.md 3.2: PCI_IRQ")
@frozen
class PciIrq:
    """The interrupt wires of the PCI bus."""

    asserted: Annotated[tuple[int, ...], Array(U64("64 wires"), 2, "bit device * 4 + INTx: the wire is asserted")]


@layout(source="formats/xen.md 3.2: ISA_IRQ")
@frozen
class IsaIrq:
    """The interrupt wires of the ISA bus."""

    asserted: Annotated[int, U64("a bit for each of 16 wires that is asserted")]


@layout(source="formats/xen.md 3.2: PCI_LINK")
@frozen
class PciLink:
    """The router of PCI interrupts to ISA's."""

    route: Annotated[tuple[int, ...], Array(U8("an ISA interrupt"), 4, "by link; 0: to none")]
    pad: Annotated[bytes, Bytes(4, "unused")]
