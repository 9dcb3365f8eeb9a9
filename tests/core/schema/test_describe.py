"""Tests of domctx.schema.describe: fields, sizes, offsets and dtypes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.schema import U8, U16, Array, Bytes, Text, dtype, encode, fields, nested_layouts, offset_of, size_of
from domctx.testing.strategies import bodies
from helpers.layouts import Everything, Point, Section, TrapInfo, layouts, make_layout


def test_fields_tell_name_type_place_and_meaning() -> None:
    """Every field of every kind is described."""
    described = [(field.name, field.type, field.offset, field.size, field.unit) for field in fields(Everything)]
    assert described == [
        ("u8", "u8", 0, 1, ""),
        ("u64", "u64", 1, 8, "octets"),
        ("s8", "s8", 9, 1, ""),
        ("s64", "s64", 10, 8, ""),
        ("fpu", "bytes[40]", 18, 40, ""),
        ("name", "text[8]", 58, 8, ""),
        ("words", "u16[3]", 66, 6, "PFN"),
        ("keys", "bytes[2][2]", 72, 4, ""),
        ("grid", "u8[2][3]", 76, 6, ""),
        ("point", "Point", 82, 8, ""),
        ("traps", "TrapInfo[4]", 90, 32, ""),
        ("points", "Point[2]", 122, 16, ""),
        ("pad", "reserved[3]", 138, 3, ""),
        ("config", "cbor", 141, None, ""),
    ]
    assert fields(Everything)[1].doc == "b"


def test_fields_sizes_and_offsets_depend_on_the_version() -> None:
    """Bodies of older versions have fewer fields."""
    assert [field.name for field in fields(Section, 1)] == ["one"]
    assert [field.name for field in fields(Section, 2)] == ["one", "two", "rest"]
    assert [size_of(Section, version) for version in (1, 2, 3, 4, None)] == [2, 6, 8, 8, 8]
    assert offset_of(Section, "rest", 2) == 6
    assert offset_of(Section, "rest") == 8


def test_offset_of_refuses_an_unknown_field() -> None:
    """A field that is not there, or not yet, is a TypeError."""
    with pytest.raises(TypeError, match="Section has no field 'four'"):
        offset_of(Section, "four")
    with pytest.raises(TypeError, match="Section has no field 'three'"):
        offset_of(Section, "three", 2)


def test_dtype_keeps_byte_order_and_shape() -> None:
    """Integers keep their order, octets are u1, text is S, structs are nested."""
    cls = make_layout([U16("a"), Bytes(3, "b"), Text(4, "c"), Array(U16, 2, "d"), Array(Point, 2, "e")], "big")
    point = [("x", ">i2"), ("hole", "u1", (2,)), ("y", ">i4")]
    expected = [("f0", ">u2"), ("f1", "u1", (3,)), ("f2", "S4"), ("f3", ">u2", (2,)), ("f4", point, (2,))]
    assert dtype(cls) == np.dtype(expected)
    assert dtype(TrapInfo) == np.dtype([("vector", "u1"), ("flags", "u1"), ("cs", "<u2"), ("address", "<u4")])


@given(st.data())
@settings(max_examples=30)
def test_dtype_agrees_with_size_of_and_offset_of(data: st.DataObject) -> None:
    """numpy finds the fields of random layouts where offset_of says."""
    cls = data.draw(layouts())
    kind = dtype(cls)
    assert kind.itemsize == size_of(cls)
    assert kind.fields is not None
    assert {name: place[1] for name, place in kind.fields.items()} == {
        field.name: field.offset for field in fields(cls)
    }
    value = data.draw(bodies(cls))
    assert np.frombuffer(encode(value), kind)[0].tobytes() == encode(value)


def test_dtype_refuses_a_tail() -> None:
    """What has no fixed size has no dtype."""
    with pytest.raises(TypeError, match="Section ends with a field of any length"):
        dtype(Section)


def test_nested_layouts_come_before_what_they_stand_in() -> None:
    """Each once, inner ones first."""
    outer = make_layout([Array(Array(Point, 2, "a"), 2, "b"), U8("c")])
    assert nested_layouts([outer, Everything, Point]) == (Point, outer, TrapInfo, Everything)
