"""The record types HVM_CONTEXT and HVM_PARAMS, driven as the core drives them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import strategies as st

from domctx.errors import RecordError
from domctx.testing import RecordTypeContract
from domctx_hvm import HVM_CONTEXT, HVM_PARAMS, StoredHvmContext, StoredHvmParams
from domctx_hvm.plugin import domctx_record_types
from helpers.hvm_states import HEADER, image, stored_contexts, stored_params
from helpers.record_road import Road

CONTEXT, PARAMS = domctx_record_types()
ROAD, PARAMS_ROAD = Road(CONTEXT), Road(PARAMS)


class TestContextContract(RecordTypeContract):
    """HVM_CONTEXT keeps the contract of record types."""

    record_type = CONTEXT
    max_changes = 256

    def states(self) -> st.SearchStrategy[StoredHvmContext]:
        """States of one image."""
        return stored_contexts()

    def may_be_body(self, body: bytes) -> bool:
        """What stands behind END is ignored by Xen, and kept."""
        return True


class TestParamsContract(RecordTypeContract):
    """HVM_PARAMS keeps the contract of record types."""

    record_type = PARAMS
    max_changes = 512

    def states(self) -> st.SearchStrategy[StoredHvmParams]:
        """States of a few parameters."""
        return stored_params()


def test_the_types_stand_where_they_shall() -> None:
    """Codes, names and states are those that were given out for them."""
    assert (CONTEXT.code, CONTEXT.name, CONTEXT.state) == (0x0001_0240, "HVM_CONTEXT", HVM_CONTEXT)
    assert (PARAMS.code, PARAMS.name, PARAMS.state) == (0x0001_0241, "HVM_PARAMS", HVM_PARAMS)


def test_the_record_of_a_context_is_the_image_itself() -> None:
    """The body of HVM_CONTEXT is the HVM save image, octet for octet, with what stands behind END."""
    octets = image() + b"behind"
    assert ROAD.body(StoredHvmContext(octets)) == octets
    assert ROAD.load_body(octets).octets == octets


def test_the_record_of_parameters_is_libxcs() -> None:
    """The body of HVM_PARAMS is that of libxc's record: count, zero, pairs in their order."""
    body = struct.pack("<IIQQQQ", 2, 0, 17, 0xFEFFF, 1, 0xFEFFE)
    assert PARAMS_ROAD.body(StoredHvmParams([(17, 0xFEFFF), (1, 0xFEFFE)])) == body
    assert PARAMS_ROAD.load_body(body).params == ((17, 0xFEFFF), (1, 0xFEFFE))


def test_states_that_hold_nothing_have_no_records() -> None:
    """A state in which nothing was stored saves to no record, of no size."""
    for road, state in ((ROAD, StoredHvmContext()), (PARAMS_ROAD, StoredHvmParams())):
        assert road.save(state) == b""
        assert road.size(state) == 0


def test_too_many_parameters_are_refused() -> None:
    """More than 1024 parameters are refused on both roads, whatever the body's length."""
    with pytest.raises(RecordError, match=r"too many HVM parameters; expected at most 0x00000400, got 0x00000401"):
        PARAMS_ROAD.save(StoredHvmParams([(1, 2)] * 1025))
    with pytest.raises(RecordError, match="too many HVM parameters"):
        PARAMS_ROAD.load_body(struct.pack("<II", 0xFFFF_FFFF, 0))


def test_parameters_that_are_not_as_many_as_they_say_are_refused() -> None:
    """The count and the body's length must agree."""
    with pytest.raises(RecordError, match=r"not as many as they say; expected 0x00000020 octets, got 0x00000010"):
        PARAMS_ROAD.load_body(struct.pack("<IIQQ", 2, 0, 1, 1))


def test_show_names_the_parameters() -> None:
    """``show`` gives index, name and value in order; unknown ones have no name."""
    body = PARAMS_ROAD.body(StoredHvmParams([(17, 3), (200, 4)]))
    assert PARAMS_ROAD.show(body) == [
        {"index": 17, "name": "CONSOLE_PFN", "value": 3},
        {"index": 200, "name": None, "value": 4},
    ]


def test_diff_names_the_parameter() -> None:
    """Parameters are compared by name, one that a side lacks is told, and so is their order."""
    a, b = StoredHvmParams([(17, 3), (1, 4)]), StoredHvmParams([(17, 5)])
    record = "HVM_PARAMS[0]"
    assert PARAMS_ROAD.diff(a, b) == [(record, "STORE_PFN", 4, None), (record, "CONSOLE_PFN", 3, 5)]
    assert PARAMS_ROAD.diff(a, StoredHvmParams([(1, 4), (17, 3)])) == [
        (record, "order", [[17, 3], [1, 4]], [[1, 4], [17, 3]])
    ]
    assert PARAMS_ROAD.diff(a, StoredHvmParams()) == [(record, "", "present", None)]
    assert PARAMS_ROAD.diff(StoredHvmParams(), StoredHvmParams()) == []


def test_an_image_without_end_is_refused() -> None:
    """An image that ends without END is refused, with the offset where it ends."""
    with pytest.raises(RecordError, match="ends without an END entry"):
        ROAD.load_body(HEADER)
