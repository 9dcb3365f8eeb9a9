"""Entries of timers and clocks (formats/xen.md 3.2). Unused octets are kept as they are found."""

from typing import Annotated

from domctx.schema import S64, U8, U16, U32, U64, Array, Bytes, layout
from domctx.values import frozen


@layout(source="formats/xen.md 3.2: PIT, channel")
@frozen(kw_only=True)
class PitChannel:
    """A channel of the 8254."""

    count: Annotated[int, U32("reload value; 65536 is possible")]
    latched_count: Annotated[int, U16("the count that was latched")]
    count_latched: Annotated[int, U8("how the latched count is read")]
    status_latched: Annotated[int, U8("not 0: status is latched")]
    status: Annotated[int, U8("the status that was latched")]
    read_state: Annotated[int, U8("which octet is read next")]
    write_state: Annotated[int, U8("which octet is written next")]
    write_latch: Annotated[int, U8("the octet that was written first")]
    rw_mode: Annotated[int, U8("which octets are read and written")]
    mode: Annotated[int, U8("mode 0 to 5")]
    bcd: Annotated[int, U8("not 0: it counts in BCD")]
    gate: Annotated[int, U8("the gate")]


@layout(source="formats/xen.md 3.2: PIT")
@frozen(kw_only=True)
class Pit:
    """The 8254."""

    channels: Annotated[tuple[PitChannel, ...], Array(PitChannel, 3, "by number")]
    speaker_data_on: Annotated[int, U32("bit 1 of port 0x61")]
    pad0: Annotated[int, U32("unused")]


@layout(source="formats/xen.md 3.2: RTC")
@frozen(kw_only=True)
class Rtc:
    """The real-time clock; without ``rtc_offset`` up to Xen 4.6."""

    cmos_data: Annotated[bytes, Bytes(14, "registers 0 to 13")]
    cmos_index: Annotated[int, U8("the register that is selected")]
    pad0: Annotated[int, U8("unused")]
    rtc_offset: Annotated[int, S64("from Xen's time to the clock's", unit="s")]


@layout(source="formats/xen.md 3.2: HPET, timer")
@frozen(kw_only=True)
class HpetTimer:
    """A timer of the HPET."""

    config: Annotated[int, U64("configuration and capabilities")]
    cmp: Annotated[int, U64("comparator")]
    fsb: Annotated[int, U64("FSB route")]
    res4: Annotated[int, U64("reserved")]


@layout(source="formats/xen.md 3.2: HPET")
@frozen(kw_only=True)
class Hpet:
    """The HPET: its registers as they stand in memory, then what they do not show."""

    capability: Annotated[int, U64("capabilities")]
    res0: Annotated[int, U64("reserved")]
    config: Annotated[int, U64("configuration")]
    res1: Annotated[int, U64("reserved")]
    isr: Annotated[int, U64("interrupt status")]
    res2: Annotated[bytes, Bytes(200, "reserved")]
    mc64: Annotated[int, U64("main counter")]
    res3: Annotated[int, U64("reserved")]
    timers: Annotated[tuple[HpetTimer, ...], Array(HpetTimer, 3, "by number")]
    res5: Annotated[bytes, Bytes(672, "reserved")]
    period: Annotated[tuple[int, ...], Array(U64("a timer's"), 3, "what was last written to the comparator")]


@layout(source="formats/xen.md 3.2: PMTIMER")
@frozen(kw_only=True)
class Pmtimer:
    """ACPI's timer and its event registers."""

    tmr_val: Annotated[int, U32("the counter")]
    pm1a_sts: Annotated[int, U16("PM1a status")]
    pm1a_en: Annotated[int, U16("PM1a enable")]
