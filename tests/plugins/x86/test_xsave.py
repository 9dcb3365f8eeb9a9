"""The XSAVE area against the Intel SDM."""

from __future__ import annotations

from hypothesis import given, strategies as st

from domctx.schema import decode, encode, offset_of, size_of
from domctx_x86.xsave import XsaveArea


def test_fields_stand_where_the_manual_says() -> None:
    """The header stands behind the FXSAVE image, the components behind its 64 octets."""
    assert [offset_of(XsaveArea, name) for name in ("legacy", "xstate_bv", "xcomp_bv", "reserved")] == [
        0,
        512,
        520,
        528,
    ]
    assert size_of(XsaveArea) == 576


@given(st.binary(min_size=576, max_size=900))
def test_any_octets_come_back(octets: bytes) -> None:
    """Whatever stands in an area is kept."""
    assert encode(decode(XsaveArea, octets)) == octets


def test_the_upper_halves_stand_first() -> None:
    """The first component holds the upper halves of the sixteen YMM registers; a shorter area has none."""
    high = decode(XsaveArea, bytes(576) + bytes(range(256)) + b"PKRU").ymm_high
    assert high == tuple(bytes(range(place, place + 16)) for place in range(0, 256, 16))
    assert decode(XsaveArea, bytes(576 + 255)).ymm_high == ()
