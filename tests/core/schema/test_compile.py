"""Tests of domctx.schema.compile: from markers to struct formats."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from domctx.schema import U8, U16, Array, Bytes, Nested, Reserved, Text, decode, encode, size_of
from domctx.schema.plan import layout_of
from helpers.layouts import Everything, Point, Section, make_layout


def test_formats_have_the_byte_order_and_no_holes() -> None:
    """The struct module never aligns anything."""
    assert layout_of(Point).plan().packer.format == ">h2si"
    assert layout_of(Everything).plan().packer.format == "<BQbq40s8s3H2s2s2B2B2B8s32s16s3s"


def test_versions_of_structs_count_for_what_holds_them() -> None:
    """A struct that grew makes its holder grow in the same version."""
    inner = make_layout([U8("a"), U16("b", since=3)], f1=5)
    outer = make_layout([Array(inner, 2, "a"), Nested(inner, "b"), U8("c", since=2)], f2=6)
    assert layout_of(outer).versions == (1, 2, 3)
    assert [size_of(outer, version) for version in (1, 2, 3)] == [3, 4, 10]
    one, two = decode(outer, b"\1\2\3", 1), decode(outer, b"\1\2\3\4", 2)
    assert one == outer((inner(1), inner(2)), inner(3))
    assert two.f2 == 4
    assert decode(outer, encode(two)) == two


def fail(*_: Any) -> None:
    """A hook, validator or converter that must not run."""
    raise AssertionError


@pytest.mark.parametrize(
    ("markers", "extra"),
    [
        ([U8("a")], {"f0": attrs.field(validator=fail)}),
        ([U8("a")], {"f0": attrs.field(converter=fail)}),
        ([U8("a")], {"f0": attrs.field(kw_only=True)}),
        ([U8("a")], {"__attrs_post_init__": fail}),
        ([U8("a")], {"__attrs_pre_init__": fail}),
        ([U8("a")], {"__init__": fail}),
        ([U8("a"), Text(3, "b")], {}),
        ([U8("a"), Reserved(3)], {}),
        ([U8("a"), U8("b", since=2)], {"f1": 0}),
    ],
)
def test_only_what_attrs_merely_stores_is_direct(markers: list[Any], extra: dict[str, Any]) -> None:
    """Whatever else a class does when it is made does not run on decoding."""
    cls = make_layout(markers, **extra)
    assert not layout_of(cls).plan(1).direct
    assert decode(cls, b"\5" + bytes(size_of(cls, 1) - 1), 1).f0 == 5


def test_a_class_that_attrs_merely_stores_in_is_direct() -> None:
    """Numbers and octets, all there and all positional."""
    assert layout_of(make_layout([U8("a"), Bytes(3, "b")])).plan().direct
    grown = layout_of(make_layout([U8("a"), U8("b", since=2)], f1=0))
    assert [grown.plan(version).direct for version in (1, 2)] == [False, True]


def test_a_tail_is_no_part_of_the_format() -> None:
    """Only the fixed part is compiled."""
    assert [layout_of(Section).plan(version).packer.format for version in (1, 2, 3)] == ["<H", "<HI", "<HI2B"]
