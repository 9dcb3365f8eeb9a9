"""Pages and records of shared info."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings

from domctx.errors import DomainError, RecordError, UnsupportedError
from domctx.schema import decode, encode
from domctx.states import SharedInfoContext
from domctx_shared_info.compat import to_compat, update
from domctx_shared_info.layout import ABIS, PageBody, SharedInfoBody
from domctx_shared_info.pages import (
    abi_of_context,
    page_body,
    page_context,
    record_abi,
    record_body,
    struct_of,
    take_over,
)
from helpers.shared_info_states import patterned, shared_info_contexts

TODAY = ["xen-x86_32", "xen-x86_64", "xen-arm"]


@settings(max_examples=25, deadline=None)
@given(shared_info_contexts())
def test_a_page_comes_back_from_its_body(context: SharedInfoContext) -> None:
    """A page put into a record's body and taken out again is the same."""
    assert page_context(page_body(context)) == context


def test_an_unknown_abi_is_refused() -> None:
    """A page of an ABI that nobody knows can neither be loaded nor saved."""
    with pytest.raises(UnsupportedError, match=r"unknown ABI; expected 0x00000001 xen-2004-i386, .* got 0x00000009"):
        page_context(PageBody(abi=9, page=bytes(4096)))
    with pytest.raises(DomainError, match=r"expected xen-2004-i386, .*, got 'vax'"):
        page_body(SharedInfoContext("vax", bytes(4096)))


@pytest.mark.parametrize("size", [0, 716, 4095, 4097])
def test_what_is_not_a_page_is_refused(size: int) -> None:
    """A page has 4096 octets."""
    with pytest.raises(DomainError, match=rf"not one page; expected 0x00001000, got 0x{size:08x}"):
        abi_of_context(SharedInfoContext("xen-2004-i386", bytes(size)))


@pytest.mark.parametrize(
    ("name", "flags", "size"), [("xen-x86_32", 1, 2344), ("xen-x86_64", 0, 3136), ("xen-arm", 0, 1088)]
)
def test_the_record_of_todays_pages_is_their_structure(name: str, flags: int, size: int) -> None:
    """Flags and length are those of formats/xen.md 2.2, and tell the ABI."""
    page = patterned(name)
    body = record_body(page)
    assert (body.flags, body.buffer) == (flags, page.page[:size])
    assert record_abi(body).name == name


def test_the_record_of_a_2004_page_is_in_the_32_bit_layout() -> None:
    """Flag bit 0 and 2344 octets, mapped field to field."""
    page = patterned("xen-2004-i386")
    assert record_body(page) == SharedInfoBody(1, encode(to_compat(struct_of(page))))
    assert record_abi(record_body(page)).name == "xen-x86_32"


@pytest.mark.parametrize("flags", [2, 3, 0x80000000])
def test_reserved_flags_are_refused(flags: int) -> None:
    """Only bit 0 of flags has a meaning."""
    with pytest.raises(RecordError, match=rf"reserved bits of flags are set; .* got 0x{flags:08x}"):
        record_abi(SharedInfoBody(flags, bytes(2344)))


@pytest.mark.parametrize(
    ("flags", "size", "expected"),
    [
        (0, 2344, r"0x00000c40 \(xen-x86_64\) or 0x00000440 \(xen-arm\)"),
        (1, 3136, r"0x00000928 \(xen-x86_32\)"),
        (1, 1088, r"0x00000928 \(xen-x86_32\)"),
        (0, 0, "xen-x86_64"),
        (0, 3135, "xen-x86_64"),
        (1, 2345, "xen-x86_32"),
    ],
)
def test_a_buffer_of_another_length_is_refused(flags: int, size: int, expected: str) -> None:
    """Flags and length must agree; nothing is extended with zeros."""
    with pytest.raises(RecordError, match=rf"the buffer has the wrong length; expected .*{expected}.*got 0x{size:08x}"):
        record_abi(SharedInfoBody(flags, bytes(size)))


@settings(max_examples=25, deadline=None)
@given(shared_info_contexts(rest=False, names=tuple(TODAY)))
def test_a_state_in_memory_keeps_a_record_as_it_is(context: SharedInfoContext) -> None:
    """Without a page of a domain's own a record is kept whole, at the start of a page of zeros."""
    assert take_over(record_body(context), None) == context


@pytest.mark.parametrize("name", TODAY)
def test_a_domain_takes_over_what_formats_xen_says(name: str) -> None:
    """vcpu_info and arch come from the record; ports, selectors and the frame list list are reset; clocks are kept."""
    own = SharedInfoContext(name, patterned(name).page[::-1])
    record = struct_of(patterned(name))
    result = take_over(record_body(patterned(name)), own)
    after, before = struct_of(result), struct_of(own)
    assert after.vcpu_info == tuple(attrs.evolve(vcpu, evtchn_pending_sel=0) for vcpu in record.vcpu_info)
    ones = 0xFFFFFFFF if name == "xen-x86_32" else 0xFFFFFFFFFFFFFFFF
    words = 32 if name == "xen-x86_32" else 64
    assert after.evtchn_pending == (0,) * words
    assert after.evtchn_mask == (ones,) * words
    assert (after.wc_version, after.wc_sec, after.wc_nsec) == (before.wc_version, before.wc_sec, before.wc_nsec)
    if name != "xen-arm":
        assert record.arch.pfn_to_mfn_frame_list_list
        assert after.arch == attrs.evolve(record.arch, pfn_to_mfn_frame_list_list=0)
    size = abi_of_context(own).size
    assert (result.abi, result.page[size:]) == (name, own.page[size:])


def test_a_domain_of_2004_takes_over_its_own_fields() -> None:
    """A record in the 32-bit layout updates the 2004 fields of an existing page, and leaves the rest of the page."""
    own = patterned("xen-2004-i386")
    body = record_body(patterned("xen-x86_32"))
    result = take_over(body, own)
    assert struct_of(result) == update(struct_of(own), decode(record_abi(body).layout, body.buffer))
    assert (result.abi, result.page[716:]) == (own.abi, own.page[716:])


@pytest.mark.parametrize(
    ("record", "own"),
    [
        ("xen-x86_64", "xen-x86_32"),
        ("xen-x86_32", "xen-x86_64"),
        ("xen-x86_64", "xen-2004-i386"),
        ("xen-arm", "xen-x86_64"),
    ],
)
def test_a_record_of_another_layout_is_refused(record: str, own: str) -> None:
    """A 64-bit domain does not take a 32-bit record, nor the other way round."""
    with pytest.raises(RecordError, match=f"has another layout; expected {own}, got {record}"):
        take_over(record_body(patterned(record)), patterned(own))


def test_every_abi_has_a_record() -> None:
    """Each ABI's page makes a record that tells an ABI by its flags and length."""
    assert all(record_abi(record_body(patterned(abi.name))) in ABIS for abi in ABIS)
