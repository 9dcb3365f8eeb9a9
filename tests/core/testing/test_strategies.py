"""Tests of domctx.testing.strategies: objects of layouts, within their ranges."""

from __future__ import annotations

import pytest
from hypothesis import find, given, settings, strategies as st

from domctx.schema import S16, U8, U32, Array, Bytes, Reserved, encode
from domctx.schema.cbor import check
from domctx.testing.strategies import bodies, plain_values, values
from helpers.layouts import Everything, Section, layouts, make_layout


@given(bodies(Everything), bodies(Section))
def test_bodies_encode(value: Everything, section: Section) -> None:
    """Every drawn object is within the range of every marker."""
    assert encode(value)
    assert encode(section)


@given(st.data())
@settings(max_examples=30)
def test_bodies_of_random_layouts_encode(data: st.DataObject) -> None:
    """So are those of layouts that nobody wrote."""
    assert encode(data.draw(bodies(data.draw(layouts()))))


@given(bodies(make_layout([Bytes(4096, "a page"), Array(U32, 1024, "a table"), Reserved(3)])))
def test_long_fields_have_their_length(value: object) -> None:
    """Pages and tables are as long as their markers say."""
    assert len(encode(value)) == 8192 + 3


@pytest.mark.parametrize("limit", [-(1 << 15), (1 << 15) - 1])
def test_both_ends_of_a_range_are_drawn(limit: int) -> None:
    """The limits are where mistakes live."""
    assert find(values(S16("a")), lambda value: value == limit) == limit


def test_named_values_are_drawn() -> None:
    """A value with a name is more likely than others; names beyond the range are never drawn."""
    assert find(values(U8("a", names={77: "x", 300: "y"})), lambda value: value == 77) == 77


@given(plain_values())
def test_plain_values_are_plain(value: object) -> None:
    """CBOR tails can hold every one."""
    check(value)


def test_reserved_fields_have_no_values() -> None:
    """They are zero, and nothing is drawn for them."""
    with pytest.raises(TypeError, match="is no marker of a field with values of its own"):
        values(Reserved(3))
