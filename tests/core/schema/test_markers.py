"""Tests of domctx.schema.markers: what a marker says of its field."""

from __future__ import annotations

import enum
from types import MappingProxyType

import pytest

from domctx.schema import S8, S64, U8, U64, Array, Integer, Nested
from helpers.layouts import TrapInfo


class Kind(enum.IntEnum):
    """Names for numbers."""

    NONE = 0
    SOME = 3


@pytest.mark.parametrize(
    ("marker", "low", "high"),
    [
        (U8("a"), 0, 0xFF),
        (U64("a"), 0, (1 << 64) - 1),
        (S8("a"), -128, 127),
        (S64("a"), -(1 << 63), (1 << 63) - 1),
    ],
)
def test_integers_know_their_range(marker: Integer, low: int, high: int) -> None:
    """The lowest and highest values follow from width and sign."""
    assert (marker.low, marker.high) == (low, high)


def test_names_come_from_a_mapping_or_an_enum() -> None:
    """Either way the marker keeps a mapping of its own."""
    names = {0: "NONE", 3: "SOME"}
    assert U8("a").names == {}
    assert U8("a", names=names).names == names
    assert U8("a", names=MappingProxyType(names)).names == names
    assert U8("a", names=Kind).names == names


def test_an_array_takes_bare_classes() -> None:
    """A marker class becomes a marker, a layout class a Nested."""
    assert Array(U8, 3, "a").element == U8("")
    assert Array(TrapInfo, 3, "a").element == Nested(TrapInfo, "")
    assert Array(U8("b"), 3, "a").element == U8("b")
