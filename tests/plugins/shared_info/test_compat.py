"""shared_info of 2004 in today's 32-bit layout."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from domctx.schema import decode, encode
from domctx_shared_info.compat import time_scale, time_stamp, to_compat, update, version, wall_clock
from domctx_shared_info.layout import SharedInfo32, SharedInfo2004
from helpers.shared_info_states import patterned, shared_info_2004

PAGE = decode(SharedInfo2004, patterned("xen-2004-i386").page[:716])


def test_what_has_a_counterpart_is_found_there() -> None:
    """Upcall octets, selector, ports and times stand where today's layout has them."""
    made = to_compat(PAGE)
    vcpu = made.vcpu_info[0]
    assert vcpu.evtchn_upcall_pending == PAGE.vcpu_data.evtchn_upcall_pending
    assert vcpu.evtchn_upcall_mask == PAGE.vcpu_data.evtchn_upcall_mask
    assert vcpu.evtchn_pending_sel == PAGE.evtchn_pending_sel
    assert made.evtchn_pending == PAGE.evtchn_pending
    assert made.evtchn_mask == PAGE.evtchn_mask
    assert vcpu.time.system_time == PAGE.system_time


def test_what_today_alone_has_is_zero() -> None:
    """Without the counterparts nothing of the 2344 octets is set."""
    made = to_compat(attrs.evolve(decode(SharedInfo2004, bytes(716)), evtchn_exception=(1,) * 32, domain_time=5))
    assert encode(made) == bytes(2344)
    assert encode(to_compat(PAGE))[64:2048] == bytes(31 * 64)


@pytest.mark.parametrize(("before", "after", "expected"), [(4, 4, 8), (5, 4, 9), (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFE)])
def test_the_version_is_odd_while_the_times_change(before: int, after: int, expected: int) -> None:
    """The two counters of 2004 make one version, odd where the first is ahead."""
    page = attrs.evolve(PAGE, time_version1=before, time_version2=after)
    assert version(page) == to_compat(page).wc_version == to_compat(page).vcpu_info[0].time.version == expected


@pytest.mark.parametrize(
    ("bits", "shift", "expected"),
    [(3, 1, 6), (0xFFFFFFFF, 40, 0xFFFFFF0000000000), (1, 63, 1 << 63), (1, 64, 0), (1, 0xFFFFFFFF, 0)],
)
def test_the_time_stamp_is_shifted_into_place(bits: int, shift: int, expected: int) -> None:
    """tsc_bits are TSC bits from tsc_bitshift on; what a guest wrote there never makes a large number."""
    assert time_stamp(attrs.evolve(PAGE, tsc_bits=bits, tsc_bitshift=shift)) == expected


@pytest.mark.parametrize(
    ("sec", "usec", "system", "expected"),
    [
        (1_080_000_000, 250_000, 0, (1_080_000_000, 250_000_000)),
        (1_080_000_000, 250_000, 10_500_000_000, (1_079_999_989, 750_000_000)),
        (1, 0xFFFFFFFF, 0, (4295, 967_295_000)),
        (1, 0, 2_000_000_000, (0, 0)),
    ],
)
def test_the_wall_clock_is_that_of_system_time_0(sec: int, usec: int, system: int, expected: tuple[int, int]) -> None:
    """The wall clock of 2004 less system time; never before 1970, microseconds over a second carried."""
    page = attrs.evolve(PAGE, wc_sec=sec, wc_usec=usec, system_time=system)
    assert wall_clock(page) == expected
    assert (to_compat(page).wc_sec, to_compat(page).wc_nsec) == expected


def test_seconds_beyond_32_bits_go_into_the_high_half() -> None:
    """A carry out of wc_sec is found in wc_sec_hi."""
    made = to_compat(attrs.evolve(PAGE, wc_sec=0xFFFFFFFF, wc_usec=2_000_000, system_time=0))
    assert (made.wc_sec, made.arch.wc_sec_hi) == (1, 1)


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [(0, (0, 0)), (2_000_000_000, (1 << 31, 0)), (1_000_000_000, (1 << 31, 1)), (4_000_000_000, (1 << 31, -1))],
)
def test_the_scale_is_that_of_the_frequency(frequency: int, expected: tuple[int, int]) -> None:
    """Composed by hand: ns = (cycles << shift) * mul >> 32."""
    assert time_scale(frequency) == expected


@given(st.integers(1, (1 << 64) - 1))
def test_the_scale_gives_the_frequency_back(frequency: int) -> None:
    """By xen.h the frequency is ((10**9 << 32) / mul) >> shift: within a millionth, or one Hz, it is what it was."""
    mul, shift = time_scale(frequency)
    assert 1 << 31 <= mul < 1 << 32
    assert -128 <= shift < 128
    back = ((10**9 << 32) // mul) * 2.0**-shift
    assert abs(back - frequency) <= max(1, frequency / 1e6)


def test_a_page_that_takes_a_record_over_keeps_what_is_its_own() -> None:
    """Taken over are the upcall octets; ports become masked and not pending; nothing else changes."""
    record = decode(SharedInfo32, patterned("xen-x86_32").page[100:2444])
    after = update(PAGE, record)
    assert after.vcpu_data.evtchn_upcall_pending == record.vcpu_info[0].evtchn_upcall_pending
    assert after.vcpu_data.evtchn_upcall_mask == record.vcpu_info[0].evtchn_upcall_mask
    assert after.evtchn_pending == (0,) * 32
    assert after.evtchn_mask == (0xFFFFFFFF,) * 32
    assert after.evtchn_pending_sel == 0
    own = {"vcpu_data", "evtchn_pending", "evtchn_mask", "evtchn_pending_sel"}
    kept = [field.name for field in attrs.fields(SharedInfo2004) if field.name not in own]
    assert all(getattr(after, name) == getattr(PAGE, name) for name in kept)
    assert after.vcpu_data.pad == PAGE.vcpu_data.pad


@settings(max_examples=25, deadline=None)
@given(shared_info_2004)
def test_any_page_has_a_compat_form(page: SharedInfo2004) -> None:
    """Whatever a guest wrote into its page, the record can be made and has 2344 octets."""
    assert len(encode(to_compat(page))) == 2344
