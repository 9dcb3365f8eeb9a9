"""The record types CPU_EXTENDED, CPU_XSAVE and CPU_MSRS, driven as the core drives them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import strategies as st

from domctx.errors import RecordError
from domctx.testing import RecordTypeContract
from domctx_cpu import CPU_EXTENDED, CPU_MSRS, CPU_XSAVE, StoredVcpuParts
from domctx_cpu.plugin import domctx_record_types
from helpers.record_road import Road
from helpers.vcpu_states import ids

_, EXTENDED, XSAVE, MSRS = domctx_record_types()
ROADS = [Road(kind) for kind in (EXTENDED, XSAVE, MSRS)]


def stored_parts(*sizes: int) -> st.SearchStrategy[StoredVcpuParts]:
    """States of up to three vCPUs with parts of these sizes."""
    parts = st.sampled_from(sizes).flatmap(lambda size: st.binary(min_size=size, max_size=size))
    return st.dictionaries(ids, parts, min_size=1, max_size=3).map(StoredVcpuParts)


class TestExtendedContract(RecordTypeContract):
    """CPU_EXTENDED keeps the contract of record types."""

    record_type = EXTENDED
    max_changes = 256

    def states(self) -> st.SearchStrategy[StoredVcpuParts]:
        """The structure as it is, shorter, and as long as it may be."""
        return stored_parts(0, 40, 64, 128)


class TestXsaveContract(RecordTypeContract):
    """CPU_XSAVE keeps the contract of record types."""

    record_type = XSAVE
    max_changes = 128

    def states(self) -> st.SearchStrategy[StoredVcpuParts]:
        """Without an area, with AVX, and what is no area."""
        return stored_parts(0, 16, 30, 592, 848)


class TestMsrsContract(RecordTypeContract):
    """CPU_MSRS keeps the contract of record types."""

    record_type = MSRS
    max_changes = 256

    def states(self) -> st.SearchStrategy[StoredVcpuParts]:
        """A few registers, and what is no list of registers."""
        return stored_parts(0, 16, 48, 15)


def test_the_types_stand_where_they_shall() -> None:
    """Codes, names and states are those that were given out for them."""
    found = [(kind.code, kind.name, kind.state) for kind in (EXTENDED, XSAVE, MSRS)]
    assert found == [
        (0x0001_0201, "CPU_EXTENDED", CPU_EXTENDED),
        (0x0001_0202, "CPU_XSAVE", CPU_XSAVE),
        (0x0001_0203, "CPU_MSRS", CPU_MSRS),
    ]


def test_a_part_of_another_length_is_refused() -> None:
    """A part is as long as its body says."""
    with pytest.raises(RecordError, match=r"not as long as it says; expected 0x00000003 octets, got 0x00000002"):
        ROADS[0].load_body(struct.pack("<II", 3, 0) + b"ab")


def test_system_call_entries_are_shown_by_name() -> None:
    """``show`` gives ext_vcpucontext by its fields, and what stands behind it."""
    octets = struct.pack("<IIQQHHBBHQQQQ", 2, 64, 0xFFFFFFFF8101D210, 5, 0x10, 0x18, 1, 0, 0, 2, 3, 4, 6)
    shown = ROADS[0].show(ROADS[0].body(StoredVcpuParts({2: octets + b"\x07"})), 2)
    assert shown == {
        "vcpu": 2,
        "size": 64,
        "syscall32_callback_eip": 0xFFFFFFFF8101D210,
        "sysenter_callback_eip": 5,
        "syscall32_callback_cs": 0x10,
        "sysenter_callback_cs": 0x18,
        "syscall32_disables_events": 1,
        "sysenter_disables_events": 0,
        "pad": "0000",
        "caps": 2,
        "mci_ctl2_bank0": 3,
        "mci_ctl2_bank1": 4,
        "mcg_ext_ctl": 6,
        "rest": "07",
    }


def test_the_xsave_area_is_shown_by_name() -> None:
    """``show`` gives XCR0, the FPU's registers, the area's header and its components by name."""
    octets = bytearray(16 + 576 + 256)
    struct.pack_into("<QQ", octets, 0, 3, 7)
    struct.pack_into("<H", octets, 16, 0x37F)
    struct.pack_into("<I", octets, 16 + 24, 0x1F80)
    octets[16 + 160 : 16 + 176] = bytes(range(16))
    struct.pack_into("<Q", octets, 16 + 512, 6)
    octets[16 + 576] = 0xAB
    shown = ROADS[1].show(ROADS[1].body(StoredVcpuParts({0: bytes(octets)})))
    assert (shown["xcr0"], shown["xcr0_accum"], shown["area"]["xstate_bv"]) == (3, 7, 6)
    legacy = shown["area"]["legacy"]
    assert (legacy["fcw"], legacy["mxcsr"], legacy["xmm"][0]) == (0x37F, 0x1F80, bytes(range(16)).hex())
    assert shown["area"]["components"] == {"avx": "ab" + "00" * 255}


@pytest.mark.parametrize(("octets", "area"), [(bytes(16), None), (bytes(18), {"octets": "0000"})])
def test_an_area_that_is_none_is_told(octets: bytes, area: object) -> None:
    """An absent area is null, one that is too short stands as octets."""
    assert ROADS[1].show(ROADS[1].body(StoredVcpuParts({0: octets})))["area"] == area


def test_registers_are_shown_by_index() -> None:
    """``show`` gives each register's index and value."""
    octets = struct.pack("<IIQIIQ", 0xC0000103, 0, 5, 0x48, 0, 6)
    assert ROADS[2].show(ROADS[2].body(StoredVcpuParts({0: octets}))) == [
        {"index": 0xC0000103, "reserved": "00000000", "value": 5},
        {"index": 0x48, "reserved": "00000000", "value": 6},
    ]


@pytest.mark.parametrize("road", ROADS, ids=[road.type.name for road in ROADS])
def test_what_has_no_fields_is_shown_as_octets(road: Road) -> None:
    """A part that does not fit its structure is shown as octets."""
    assert road.show(road.body(StoredVcpuParts({0: b"abc"}))) == {"octets": "616263"}


def test_diff_names_the_field() -> None:
    """Parts are compared by field, a vCPU that a side lacks is told, and what has no fields by octets."""
    a, b = StoredVcpuParts({0: bytes(16), 1: bytes(16)}), StoredVcpuParts({0: b"\5" + bytes(15)})
    assert ROADS[1].diff(a, b) == [("CPU_XSAVE[0]", "xcr0", 0, 5), ("CPU_XSAVE[1]", "", "present", None)]
    assert ROADS[1].diff(b, a)[1] == ("CPU_XSAVE[1]", "", None, "present")
    assert ROADS[1].diff(a, a) == []
