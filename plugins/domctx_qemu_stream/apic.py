"""The section ``apic``: a vCPU's local APIC (formats/qemu.md 4)."""

from typing import Annotated

from domctx.schema import S32, S64, U8, U32, Array, layout
from domctx.values import frozen


@layout(source="formats/qemu.md 4: apic, version 3", byte_order="big")
@frozen(kw_only=True)
class Apic:
    """A local APIC: 181 octets."""

    apicbase: Annotated[int, U32("the APIC base MSR: address and flags")]
    id: Annotated[int, U8("APIC id")]
    arb_id: Annotated[int, U8("arbitration id")]
    tpr: Annotated[int, U8("task priority")]
    spurious_vec: Annotated[int, U32("spurious interrupt vector and flags")]
    log_dest: Annotated[int, U8("logical destination")]
    dest_mode: Annotated[int, U8("destination format")]
    isr: Annotated[tuple[int, ...], Array(U32("32 vectors"), 8, "interrupts in service")]
    tmr: Annotated[tuple[int, ...], Array(U32("32 vectors"), 8, "trigger modes")]
    irr: Annotated[tuple[int, ...], Array(U32("32 vectors"), 8, "interrupts that are requested")]
    lvt: Annotated[tuple[int, ...], Array(U32("an entry"), 6, "local vector table")]
    esr: Annotated[int, U32("error status")]
    icr: Annotated[tuple[int, ...], Array(U32("a half"), 2, "interrupt command")]
    divide_conf: Annotated[int, U32("timer divide configuration")]
    count_shift: Annotated[int, S32("log2 of the timer's divisor")]
    initial_count: Annotated[int, U32("timer initial count")]
    initial_count_load_time: Annotated[int, S64("when the count was loaded", unit="ns of the machine's clock")]
    next_time: Annotated[int, S64("when the timer fires next", unit="ns of the machine's clock")]
    timer_expiry: Annotated[
        int, S64("when the timer fires; -1 where it is not armed", unit="ns of the machine's clock")
    ]
