"""shared_info's layouts against formats/xen.md 1.6, 2.2 and 4.6."""

from __future__ import annotations

import pytest

from domctx.schema import decode, offset_of, size_of
from domctx_shared_info.layout import (
    ABIS,
    CONTROL_IF,
    PAGE_SIZE,
    Arch32,
    Arch64,
    NetIdx2004,
    PageBody,
    SharedInfo32,
    SharedInfo64,
    SharedInfo2004,
    SharedInfoArm,
    SharedInfoBody,
    VcpuData2004,
    VcpuInfo32,
    VcpuInfo64,
    VcpuInfoArm,
    VcpuTimeInfo,
    abi_named,
    abi_of,
)


@pytest.mark.parametrize(
    ("layout", "size"),
    [
        (SharedInfo2004, 716),
        (VcpuData2004, 4),
        (NetIdx2004, 24),
        (SharedInfo32, 2344),
        (SharedInfo64, 3136),
        (SharedInfoArm, 1088),
        (VcpuInfo32, 64),
        (VcpuInfo64, 64),
        (VcpuInfoArm, 48),
        (VcpuTimeInfo, 32),
        (Arch32, 28),
        (Arch64, 48),
        (PageBody, 8 + PAGE_SIZE),
        (SharedInfoBody, 4),
    ],
)
def test_sizes_are_those_of_the_reference(layout: type, size: int) -> None:
    """Each structure has the size that the compiler gave it."""
    assert size_of(layout) == size


@pytest.mark.parametrize(
    ("layout", "offsets"),
    [
        (
            SharedInfo2004,
            {
                "vcpu_data": 0,
                "evtchn_pending": 4,
                "evtchn_pending_sel": 132,
                "evtchn_exception": 136,
                "evtchn_mask": 264,
                "cpu_freq": 392,
                "time_version1": 400,
                "time_version2": 404,
                "tsc_bits": 408,
                "tsc_bitshift": 412,
                "system_time": 416,
                "wc_sec": 424,
                "wc_usec": 428,
                "domain_time": 432,
                "wall_timeout": 440,
                "domain_timeout": 448,
                "net_idx": 456,
                "execution_context": 648,
            },
        ),
        (
            SharedInfo32,
            {
                "vcpu_info": 0,
                "evtchn_pending": 2048,
                "evtchn_mask": 2176,
                "wc_version": 2304,
                "wc_sec": 2308,
                "wc_nsec": 2312,
                "arch": 2316,
            },
        ),
        (
            SharedInfo64,
            {
                "vcpu_info": 0,
                "evtchn_pending": 2048,
                "evtchn_mask": 2560,
                "wc_version": 3072,
                "wc_sec": 3076,
                "wc_nsec": 3080,
                "wc_sec_hi": 3084,
                "arch": 3088,
            },
        ),
        (SharedInfoArm, {"evtchn_pending": 48, "evtchn_mask": 560, "wc_version": 1072, "wc_sec_hi": 1084}),
        (VcpuInfo32, {"evtchn_upcall_mask": 1, "evtchn_pending_sel": 4, "cr2": 8, "time": 32}),
        (VcpuInfo64, {"evtchn_upcall_mask": 1, "evtchn_pending_sel": 8, "cr2": 16, "time": 32}),
        (VcpuInfoArm, {"evtchn_upcall_mask": 1, "evtchn_pending_sel": 8, "time": 16}),
        (
            VcpuTimeInfo,
            {"tsc_timestamp": 8, "system_time": 16, "tsc_to_system_mul": 24, "tsc_shift": 28, "flags": 29},
        ),
        (Arch32, {"pfn_to_mfn_frame_list_list": 4, "p2m_generation": 20, "wc_sec_hi": 24}),
        (Arch64, {"pfn_to_mfn_frame_list_list": 8, "p2m_generation": 40}),
        (NetIdx2004, {"tx_req_prod": 0, "rx_req_prod": 12, "rx_event": 20}),
    ],
)
def test_fields_stand_where_the_reference_says(layout: type, offsets: dict[str, int]) -> None:
    """Each field stands at the offset that the compiler gave it."""
    assert {name: offset_of(layout, name) for name in offsets} == offsets


def test_a_page_written_by_hand_is_read() -> None:
    """Octets composed from the offsets of formats/xen.md 1.6 decode to what was put there."""
    page = bytearray(716)
    page[0:2] = b"\x01\x02"
    page[4 + 4 * 31 : 4 + 4 * 32] = bytes.fromhex("00000080")
    page[392:400] = bytes.fromhex("0010a5d4e8000000")
    page[428:432] = bytes.fromhex("3f420f00")
    page[456 + 24 * 7 + 20 : 456 + 24 * 8] = bytes.fromhex("05000000")
    page[648 + 12 : 648 + 16] = bytes.fromhex("efbeadde")
    found = decode(SharedInfo2004, page)
    assert (found.vcpu_data.evtchn_upcall_pending, found.vcpu_data.evtchn_upcall_mask) == (1, 2)
    assert found.evtchn_pending[31] == 1 << 31
    assert found.cpu_freq == 1_000_000_000_000
    assert found.wc_usec == 999_999
    assert found.net_idx[7].rx_event == 5
    assert found.execution_context.esi == 0xDEADBEEF


def test_abis_are_found_by_code_and_by_name() -> None:
    """Codes 1 to 4 are given out, once each; codes and names that nobody gave out are not found."""
    assert [abi.name for abi in ABIS] == ["xen-2004-i386", "xen-x86_32", "xen-x86_64", "xen-arm"]
    assert [abi_of(code) for code in (1, 2, 3, 4)] == list(ABIS)
    assert [abi_named(abi.name) for abi in ABIS] == list(ABIS)
    assert abi_of(0) is abi_of(5) is abi_named("xen") is None


def test_structures_end_before_the_control_tools_part() -> None:
    """In the page of 2004 control_if stands behind the structure and within the page."""
    assert size_of(SharedInfo2004) <= CONTROL_IF.start
    assert CONTROL_IF.stop <= PAGE_SIZE
