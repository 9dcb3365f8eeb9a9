"""The XSAVE area against the Intel SDM."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from domctx.schema import decode, encode, offset_of, size_of
from domctx_x86.xsave import AMD, COMPONENTS, INTEL, XsaveArea, area_to_json, named_components


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


def area(length: int, *spans: tuple[int, int, int]) -> XsaveArea:
    """An area of ``length`` octets, with octets of a value from an offset on, so many."""
    octets = bytearray(length)
    for offset, size, value in spans:
        octets[offset : offset + size] = bytes([value]) * size
    return decode(XsaveArea, bytes(octets))


@pytest.mark.parametrize("places", [INTEL, AMD], ids=["intel", "amd"])
def test_no_two_components_share_octets(places: dict[int, int]) -> None:
    """Components stand behind each other, in the order of their bits."""
    end = 576
    for bit in sorted(places):
        assert places[bit] >= end
        end = places[bit] + COMPONENTS[bit][1]


@pytest.mark.parametrize(
    ("accumulated", "length", "places"),
    [
        (0x2E7, 2696, {"avx": 576, "opmask": 1088, "zmm_high": 1152, "zmm_upper": 1664, "pkru": 2688}),
        (0x2E7, 2440, {"avx": 576, "opmask": 832, "zmm_high": 896, "zmm_upper": 1408, "pkru": 2432}),
        (0x203, 2696, {"pkru": 2688}),
        (0x01F, 1088, {"avx": 576, "bndregs": 960, "bndcsr": 1024}),
        (0x602E7, 11008, {"pkru": 2688, "tilecfg": 2752, "tiledata": 2816}),
        (0x007, 832, {"avx": 576}),
        (0x003, 576, {}),
    ],
)
def test_components_are_named_by_the_areas_length(accumulated: int, length: int, places: dict[str, int]) -> None:
    """The two ways to place components differ in an area's length; each component is found where it stands."""
    spans = [(offset, 8, index + 1) for index, offset in enumerate(places.values())]
    found = named_components(area(length, *spans), accumulated)
    assert found is not None
    for index, name in enumerate(places):
        assert found[name][:8] == bytes([index + 1]) * 8, name


@pytest.mark.parametrize(
    ("accumulated", "made"),
    [
        (0x407, area(832)),
        (0x207, area(2697)),
        (0x203, area(2696, (600, 1, 1))),
        (0x003, area(577)),
    ],
    ids=["unknown component", "unknown length", "something between", "something behind"],
)
def test_other_areas_have_no_names(accumulated: int, made: XsaveArea) -> None:
    """Where an area is not what its bits say, its components have no names and are told as octets."""
    assert named_components(made, accumulated) is None
    assert area_to_json(encode(made), accumulated)["components"] == {"octets": made.components.hex()}
