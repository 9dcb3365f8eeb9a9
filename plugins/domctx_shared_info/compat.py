"""shared_info of 2004 and Xen's 32-bit layout of today, field to field.

The page of 2004 goes into a v10 record in the 32-bit layout. What has a counterpart:

* ``vcpu_data[0]``: the upcall's pending and mask octets, in ``vcpu_info[0]``; with ``evtchn_pending_sel``
* ``evtchn_pending`` and ``evtchn_mask``: the same 1024 ports
* the times. ``time_version1`` is counted up before a change and ``time_version2`` after it, so their sum is a version
  of today, odd while a change is under way. The time stamp is ``tsc_bits << tsc_bitshift``; the scale is made from
  ``cpu_freq`` as xen/include/public/xen.h defines it. The wall clock of 2004 is that of the time stamp, the one of
  today that of system time 0: ``system_time`` is taken off.

What 2004 alone has, and the record lacks: ``evtchn_exception``, ``domain_time``, ``wall_timeout``,
``domain_timeout``, ``net_idx``, ``execution_context``, and all behind the structure (``control_if`` at 2048). What
today alone has is zero: ``cr2``, ``vcpu_info[1..31]``, ``arch`` but for ``wc_sec_hi``.
"""

from __future__ import annotations

from typing import Final

import attrs

from domctx_shared_info.layout import Arch32, SharedInfo32, SharedInfo2004, VcpuInfo32, VcpuTimeInfo

VCPUS: Final = 32
PORT_WORDS: Final = 32
_U32: Final = 0xFFFF_FFFF
_U64: Final = 0xFFFF_FFFF_FFFF_FFFF
_SECOND: Final = 10**9
"""Nanoseconds."""


def to_compat(page: SharedInfo2004) -> SharedInfo32:
    """The page of 2004 in the 32-bit layout of today."""
    seconds, nanoseconds = wall_clock(page)
    return SharedInfo32(
        vcpu_info=(_vcpu(page), *(_IDLE,) * (VCPUS - 1)),
        evtchn_pending=page.evtchn_pending,
        evtchn_mask=page.evtchn_mask,
        wc_version=version(page),
        wc_sec=seconds & _U32,
        wc_nsec=nanoseconds,
        arch=Arch32(0, 0, 0, 0, 0, 0, seconds >> 32),
    )


def _vcpu(page: SharedInfo2004) -> VcpuInfo32:
    mul, shift = time_scale(page.cpu_freq)
    return VcpuInfo32(
        evtchn_upcall_pending=page.vcpu_data.evtchn_upcall_pending,
        evtchn_upcall_mask=page.vcpu_data.evtchn_upcall_mask,
        evtchn_pending_sel=page.evtchn_pending_sel,
        cr2=0,
        time=VcpuTimeInfo(
            version=version(page),
            tsc_timestamp=time_stamp(page),
            system_time=page.system_time,
            tsc_to_system_mul=mul,
            tsc_shift=shift,
        ),
    )


_NO_TIME: Final = VcpuTimeInfo(version=0, tsc_timestamp=0, system_time=0, tsc_to_system_mul=0, tsc_shift=0)
_IDLE: Final = VcpuInfo32(evtchn_upcall_pending=0, evtchn_upcall_mask=0, evtchn_pending_sel=0, cr2=0, time=_NO_TIME)


def version(page: SharedInfo2004) -> int:
    """The version of the times: odd while they change."""
    return (page.time_version1 + page.time_version2) & _U32


def time_stamp(page: SharedInfo2004) -> int:
    """The TSC at the last change of the times; bits beyond 63 are lost."""
    return page.tsc_bits << page.tsc_bitshift & _U64 if page.tsc_bitshift < 64 else 0


def wall_clock(page: SharedInfo2004) -> tuple[int, int]:
    """Seconds and nanoseconds since 1970 at system time 0; 1970 where system time is beyond the wall clock."""
    now = page.wc_sec * _SECOND + page.wc_usec * 1000
    return divmod(max(0, now - page.system_time), _SECOND)


def time_scale(frequency: int) -> tuple[int, int]:
    """``tsc_to_system_mul`` and ``tsc_shift`` for a frequency in Hz; zeros where it is not known (0)."""
    if not frequency:
        return 0, 0
    shift = 0
    while frequency > 2 * _SECOND:
        frequency, shift = frequency >> 1, shift - 1
    while frequency <= _SECOND:
        frequency, shift = frequency << 1, shift + 1
    return (_SECOND << 32) // frequency, shift


def update(own: SharedInfo2004, record: SharedInfo32) -> SharedInfo2004:
    """A domain's page of 2004 after it took a v10 record over, by the rules of formats/xen.md 2.2.

    Taken over is what 2004 keeps for the vCPU: the upcall's pending and mask octets. No port is pending, every port
    is masked, and nothing is selected. Everything else, the times among it, stays the domain's own.
    """
    vcpu = record.vcpu_info[0]
    return attrs.evolve(
        own,
        vcpu_data=attrs.evolve(
            own.vcpu_data,
            evtchn_upcall_pending=vcpu.evtchn_upcall_pending,
            evtchn_upcall_mask=vcpu.evtchn_upcall_mask,
        ),
        evtchn_pending=(0,) * PORT_WORDS,
        evtchn_pending_sel=0,
        evtchn_mask=(_U32,) * PORT_WORDS,
    )
