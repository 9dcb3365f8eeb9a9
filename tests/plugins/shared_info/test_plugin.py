"""The record types SHARED_INFO_PAGE and SHARED_INFO, driven as the core drives them."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from domctx.api import Images
from domctx.errors import DomctxError, RecordError
from domctx.schema import encode
from domctx.states import SHARED_INFO, SharedInfoContext
from domctx.testing import RecordTypeContract
from domctx_shared_info import StoredSharedInfo
from domctx_shared_info.pages import abi_of_context, record_body, struct_of, take_over
from domctx_shared_info.plugin import domctx_record_types
from helpers.record_road import Road, silent_flips
from helpers.shared_info_states import patterned, stored_shared_info

PAGE, RECORD = domctx_record_types()
PAGE_ROAD, RECORD_ROAD = Road(PAGE), Road(RECORD)


class TestPageContract(RecordTypeContract):
    """SHARED_INFO_PAGE keeps the contract of record types."""

    record_type = PAGE
    max_examples = 10
    max_changes = 256

    def states(self) -> st.SearchStrategy[StoredSharedInfo]:
        """Pages of every ABI."""
        return stored_shared_info()


class TestRecordContract(RecordTypeContract):
    """SHARED_INFO keeps the contract of record types, in plain v10 images."""

    record_type = RECORD
    max_examples = 10
    max_changes = 256

    def states(self) -> st.SearchStrategy[StoredSharedInfo]:
        """Pages of today's ABIs, which the record holds whole."""
        return stored_shared_info(rest=False, names=("xen-x86_32", "xen-x86_64", "xen-arm"))

    def may_be_body(self, body: bytes) -> bool:
        """Arm's structure is shorter than that of x86-64, and both have flags 0."""
        return len(body) in (4 + 1088, 4 + 3136) and not any(body[:4])

    def test_diff_of_a_state_with_itself(self) -> None:
        """As the contract's rule, which compares states of images of ours: there is no such record in them."""
        self._try("diff", self.states(), lambda trial, state: _compare(state, trial.harness.load(trial.saved(state))))

    def test_diff_of_two_states(self) -> None:
        """As the contract's rule, which compares states of images of ours: there is no such record in them."""
        self._try("diff", st.tuples(self.states(), self.states()), lambda trial, pair: _compare(*pair))


def _compare(a: StoredSharedInfo, b: StoredSharedInfo) -> None:
    """States differ, counted or not, exactly where their records do."""
    assert bool(RECORD_ROAD.differences(a, b)) == (RECORD_ROAD.save(a) != RECORD_ROAD.save(b))


def stored(name: str, **changes: Any) -> StoredSharedInfo:
    """A page of ABI ``name`` whose structure is patterned but for ``changes``."""
    context = patterned(name)
    made = encode(attrs.evolve(struct_of(context), **changes))
    return StoredSharedInfo(SharedInfoContext(name, made + context.page[len(made) :]))


def test_the_types_are_those_of_the_design() -> None:
    """The page goes into images of ours, Xen's own record into plain v10 images."""
    assert (PAGE.code, PAGE.name, PAGE.state, PAGE.images) == (
        0x0001_0220,
        "SHARED_INFO_PAGE",
        SHARED_INFO,
        Images.DOMCTX,
    )
    assert (RECORD.code, RECORD.name, RECORD.state, RECORD.images) == (2, "SHARED_INFO", SHARED_INFO, Images.PLAIN)


@settings(max_examples=20, deadline=None)
@given(stored_shared_info())
def test_pages_come_back_and_their_size_is_known(saved: StoredSharedInfo) -> None:
    """What is saved loads to an equal state; the declared size is the real one."""
    octets = PAGE_ROAD.save(saved)
    assert PAGE_ROAD.size(saved) == len(octets)
    assert PAGE_ROAD.load(octets).context == saved.context


@settings(max_examples=20, deadline=None)
@given(stored_shared_info())
def test_records_come_back_and_their_size_is_known(saved: StoredSharedInfo) -> None:
    """What is saved loads to a state that saves to the same octets; the declared size is the real one."""
    octets = RECORD_ROAD.save(saved)
    assert RECORD_ROAD.size(saved) == len(octets)
    assert RECORD_ROAD.save(RECORD_ROAD.load(octets)) == octets


@pytest.mark.parametrize("road", [PAGE_ROAD, RECORD_ROAD], ids=["page", "record"])
def test_an_empty_state_has_no_record(road: Road) -> None:
    """A domain without a page saves nothing."""
    assert road.save(StoredSharedInfo()) == b""
    assert road.size(StoredSharedInfo()) == 0


def test_the_bodies_are_those_of_the_reference() -> None:
    """Composed by hand: ABI code 3 and the page; flags 0 and 3136 octets; flag bit 0 and 2344 octets."""
    wide, narrow = stored("xen-x86_64"), stored("xen-x86_32")
    assert wide.context is not None
    assert narrow.context is not None
    assert PAGE_ROAD.body(wide) == bytes.fromhex("03000000 00000000") + wide.context.page
    assert RECORD_ROAD.body(wide) == bytes.fromhex("00000000") + wide.context.page[:3136]
    assert RECORD_ROAD.body(narrow) == bytes.fromhex("01000000") + narrow.context.page[:2344]
    header = "02000000 00000000 44 0c000000000000 00000000"
    assert RECORD_ROAD.save(wide)[:20] == bytes.fromhex(header)
    assert len(RECORD_ROAD.save(wide)) == 16 + 3140 + 4


def test_damage_of_the_head_is_refused_and_other_damage_comes_back() -> None:
    """Flipped bits of codes, reserved octets and flags are refused or come back; so do those of the page."""
    page, record = PAGE_ROAD.body(stored("xen-2004-i386")), RECORD_ROAD.body(stored("xen-x86_32"))
    assert silent_flips(PAGE_ROAD, page, [*range(64), 8 * 8, 8 * 724, 8 * 4103 + 7]) == []
    assert silent_flips(RECORD_ROAD, record, [*range(32), 32, 8 * 2347 + 7]) == []


@pytest.mark.parametrize("size", [0, 7, 8, 4103, 4105])
def test_a_page_record_of_another_length_is_refused(size: int) -> None:
    """A body has 4104 octets."""
    with pytest.raises(DomctxError):
        PAGE_ROAD.load_body((PAGE_ROAD.body(stored("xen-x86_32")) + b"\0")[:size])


def test_a_domain_takes_the_record_over() -> None:
    """Loaded into a state that has a page, the record obeys the rules of formats/xen.md 2.2."""
    own, saved = stored("xen-x86_64", wc_sec=77), patterned("xen-x86_64")
    before = own.context
    RECORD_ROAD.load(RECORD_ROAD.save(StoredSharedInfo(saved)), own)
    assert own.context is not None
    assert own.context == take_over(record_body(saved), before)
    assert struct_of(own.context).wc_sec == 77


def test_a_domain_refuses_a_record_of_another_layout() -> None:
    """The refusal is the record's, for the roads to say where it stands."""
    with pytest.raises(RecordError, match="another layout"):
        RECORD_ROAD.load(RECORD_ROAD.save(stored("xen-x86_64")), stored("xen-x86_32"))


def test_what_a_plain_record_leaves_out_is_said() -> None:
    """A note tells that the rest of the page is left out; without anything there none does."""
    road = Road(RECORD)
    bare = SharedInfoContext("xen-x86_32", patterned("xen-x86_32").page[:2344].ljust(4096, b"\0"))
    road.save(StoredSharedInfo(bare))
    assert road.operation.notes == []
    road.save(stored("xen-x86_32"))
    assert "the rest of the shared-info page is left out" in road.operation.notes[0]


def test_show_names_the_fields_and_tells_the_rest_by_place() -> None:
    """``show`` gives ABI and fields, and of the rest of the page the runs that are not zero."""
    context = SharedInfoContext("xen-2004-i386", bytes(2048) + b"\x05\x06" + bytes(2046))
    shown = PAGE_ROAD.show(PAGE_ROAD.body(StoredSharedInfo(context)))
    assert shown["abi"] == "xen-2004-i386"
    assert shown["vcpu_data"]["evtchn_upcall_mask"] == 0
    assert shown["rest"] == {"page[0x800:0x802]": "0506"}


@pytest.mark.parametrize("name", ["xen-x86_32", "xen-x86_64", "xen-arm"])
def test_show_of_a_plain_record_names_the_fields(name: str) -> None:
    """``show`` gives flags, the ABI that they tell, and the fields."""
    shown = RECORD_ROAD.show(RECORD_ROAD.body(stored(name, wc_sec=1234)))
    assert (shown["abi"], shown["wc_sec"]) == (name, 1234)
    assert shown["flags"] == (1 if name == "xen-x86_32" else 0)


@pytest.mark.parametrize("name", ["xen-2004-i386", "xen-x86_32", "xen-x86_64", "xen-arm"])
def test_diff_names_the_field_that_changed(name: str) -> None:
    """A change of any field, and of the rest of the page, is found and told by its place."""
    state = stored(name)
    assert state.context is not None
    value = struct_of(state.context)
    ports = (*value.evtchn_mask[:5], value.evtchn_mask[5] ^ 1, *value.evtchn_mask[6:])
    changed = stored(name, wc_sec=1, evtchn_mask=ports)
    found = PAGE_ROAD.diff(state, changed)
    assert sorted(path for _, path, _, _ in found) == ["evtchn_mask[5]", "wc_sec"]
    assert {record for record, _, _, _ in found} == {"SHARED_INFO_PAGE[0]"}
    size = abi_of_context(state.context).size
    page = bytearray(state.context.page)
    page[size] ^= 1
    page[-1] ^= 1
    found = PAGE_ROAD.diff(state, StoredSharedInfo(SharedInfoContext(name, bytes(page))))
    assert [path for _, path, _, _ in found] == [f"page[0x{size:x}:0x{size + 1:x}]", "page[0xfff:0x1000]"]


def test_machine_frames_are_told_apart() -> None:
    """What names a frame of the host is told, and not counted."""
    value = struct_of(patterned("xen-2004-i386"))
    changed = stored("xen-2004-i386", execution_context=attrs.evolve(value.execution_context, esi=5))
    (found,) = PAGE_ROAD.differences(stored("xen-2004-i386"), changed)
    assert (found.path, found.counted) == ("execution_context.esi", False)
    value = struct_of(patterned("xen-x86_64"))
    changed = stored("xen-x86_64", arch=attrs.evolve(value.arch, pfn_to_mfn_frame_list_list=5))
    (found,) = RECORD_ROAD.differences(stored("xen-x86_64"), changed)
    assert (found.record, found.path) == ("SHARED_INFO[0]", "arch.pfn_to_mfn_frame_list_list")
    assert not found.counted


def test_diff_tells_states_and_abis_apart() -> None:
    """A page that one side lacks and a page of another ABI are told; equal states differ in nothing."""
    page, none = stored("xen-x86_32"), StoredSharedInfo()
    assert PAGE_ROAD.diff(page, none) == [("SHARED_INFO_PAGE[0]", "", "present", None)]
    assert PAGE_ROAD.diff(none, page) == [("SHARED_INFO_PAGE[0]", "", None, "present")]
    assert PAGE_ROAD.diff(none, none) == PAGE_ROAD.diff(page, page) == []
    found = PAGE_ROAD.diff(page, stored("xen-x86_64"))
    assert found[0] == ("SHARED_INFO_PAGE[0]", "abi", "xen-x86_32", "xen-x86_64")
