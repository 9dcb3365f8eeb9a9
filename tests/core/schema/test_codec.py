"""Tests of domctx.schema.codec: objects to octets and back."""

from __future__ import annotations

import struct
from typing import Any

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import RecordError, UnsupportedError
from domctx.schema import U8, decode, dump_cbor, encode, load_cbor, offset_of, size_of
from domctx.testing.strategies import bodies
from helpers.layouts import Everything, Point, Section, TrapInfo, everything, layouts, make_layout


def test_encode_packs_without_holes_in_the_byte_order_of_each_class() -> None:
    """The octets are those that struct gives by hand, big-endian structs in a little-endian one included."""
    value = everything(config=None)
    point = struct.pack(">hxxi", -2, 3)
    trap = struct.pack("<BBHI", 14, 3, 0x819, 0xC010_0000)
    fixed = struct.pack("<BQbq40s8s3H", 1, 1 << 40, -1, -5, bytes(range(40)), b"dom\xe9", 1, 2, 3)
    arrays = b"abcd" + bytes([1, 2, 3, 4, 5, 6]) + point + trap * 4 + point + struct.pack(">hxxi", 5, -1)
    assert encode(value) == fixed + arrays + bytes(3) + b"\xf6"


@given(bodies(Everything))
def test_decode_is_the_inverse_of_encode(value: Everything) -> None:
    """An object survives encode and decode, CBOR tail included."""
    assert decode(Everything, encode(value)) == value


@given(st.data())
@settings(max_examples=50)
def test_random_layouts_survive(data: st.DataObject) -> None:
    """Objects of layouts that nobody wrote survive too, and are as long as size_of says."""
    cls = data.draw(layouts())
    value: Any = data.draw(bodies(cls))
    octets = encode(value)
    assert len(octets) == size_of(cls)
    assert decode(cls, memoryview(octets)) == value


@given(st.data())
@settings(max_examples=50)
def test_any_octets_decode_to_themselves_or_are_refused(data: st.DataObject) -> None:
    """Whatever decodes encodes to the same octets; all else is a RecordError."""
    cls = data.draw(st.sampled_from([Everything, Section, TrapInfo, Point]))
    octets = data.draw(st.binary(min_size=size_of(cls), max_size=size_of(cls) + 40))
    try:
        value: Any = decode(cls, octets)
    except RecordError:
        return
    assert encode(value) == octets


@pytest.mark.parametrize("value", [everything(), Point(1), TrapInfo(1, 2, 3, 4)])
def test_decode_refuses_every_truncation(value: Any) -> None:
    """A body that lost any number of its last octets is a RecordError."""
    octets = encode(value)
    for length in range(len(octets)):
        with pytest.raises(RecordError):
            decode(type(value), octets[:length])


def test_decode_names_both_lengths_of_a_short_body() -> None:
    """A short body says what was expected and got in fixed-width hex."""
    with pytest.raises(RecordError, match="too short; expected 0x00000008 octets, got 0x00000003"):
        decode(TrapInfo, bytes(3))


def test_decode_names_the_least_length_of_a_body_with_a_tail() -> None:
    """A layout with a tail has a least length only."""
    with pytest.raises(RecordError, match="too short; expected at least 0x00000008 octets, got 0x00000003"):
        decode(Section, bytes(3))


def test_decode_refuses_a_long_body() -> None:
    """Octets behind the last field are refused."""
    with pytest.raises(RecordError, match="too long; expected 0x00000008 octets, got 0x00000009"):
        decode(TrapInfo, bytes(9))


def test_decode_refuses_reserved_octets_that_are_not_zero() -> None:
    """The message names the reserved field's path and the octet."""
    octets = bytearray(encode(everything()))
    octets[offset_of(Everything, "pad") - size_of(Point) + 3] = 0x80
    with pytest.raises(RecordError, match=r"Everything\.points\[1\]\.hole: reserved, .* octet 1; .*0x00, got 0x80"):
        decode(Everything, octets)


def test_decode_names_the_field_of_bad_cbor() -> None:
    """What is wrong with a CBOR tail is told with the name of its field."""
    with pytest.raises(RecordError, match=r"Everything\.config: bad CBOR"):
        decode(Everything, encode(everything(config=None))[:-1] + b"\xc1\x00")


def test_decode_gives_fields_that_came_later_their_defaults() -> None:
    """Bodies of older versions have the fields of their time only, tails included."""
    assert decode(Section, b"\1\0", 1) == Section(1)
    assert decode(Section, b"\1\0\2\0\0\0rest", 2) == Section(1, 2, rest=b"rest")
    assert decode(Section, b"\1\0\2\0\0\0\3\4", 3) == decode(Section, b"\1\0\2\0\0\0\3\4") == Section(1, 2, (3, 4), b"")
    assert decode(Section, b"\1\0\2\0\0\0\3\4", 9) == Section(1, 2, (3, 4), b"")


def test_decode_refuses_a_version_below_one() -> None:
    """There is no version 0 of anything."""
    with pytest.raises(UnsupportedError, match="a body of version 0"):
        decode(Section, b"", 0)


def test_decode_runs_neither_validators_nor_converters() -> None:
    """What the octets say is what the object holds."""

    def fail(*_: Any) -> None:
        raise ValueError

    cls = make_layout([U8("a number")], f0=attrs.field(validator=fail, converter=str))
    assert decode(cls, b"\5").f0 == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"u8": 256}, r"\.u8: out of range; expected 0x00 to 0xff, got 0x100"),
        ({"u8": -1}, r"\.u8: out of range"),
        ({"s8": 128}, r"\.s8: out of range; expected -0x80 to 0x7f, got 0x80"),
        ({"u64": 1.5}, r"\.u64: not an integer; got float"),
        ({"words": (1, 2, 1 << 16)}, r"\.words\[2\]: out of range"),
        ({"words": (1, 2)}, r"\.words: wrong length; expected 3 elements, got 2"),
        ({"words": [1, 2, 3]}, r"\.words: not a tuple; got list"),
        ({"grid": ((1, 2), (3, -4), (5, 6))}, r"\.grid\[1\]\[1\]: out of range"),
        ({"grid": ((1, 2), (3, 4), (5,))}, r"\.grid\[2\]: wrong length"),
        ({"keys": (b"ab", b"c")}, r"\.keys\[1\]: wrong length; expected 2 octets, got 1"),
        ({"fpu": bytes(39)}, r"\.fpu: wrong length; expected 40 octets, got 39"),
        ({"fpu": bytearray(40)}, r"\.fpu: not bytes; got bytearray"),
        ({"name": "too long!"}, r"\.name: too long; expected at most 8 characters, got 9"),
        ({"name": b"bytes"}, r"\.name: not text; got bytes"),
        ({"name": "\u20ac"}, r"\.name: not latin-1; got '\u20ac'"),
        ({"name": "a\0"}, r"\.name: ends with a NUL"),
        ({"pad": b"\0\1\0"}, r"\.pad: reserved, and not zero at its octet 1; expected 0x00, got 0x01"),
        ({"point": Point(1 << 15)}, r"\.point\.x: out of range"),
        ({"point": TrapInfo(1, 2, 3, 4)}, r"\.point: of another class; expected Point, got TrapInfo"),
        ({"points": (Point(1), Point(2, 1 << 31))}, r"\.points\[1\]\.y: out of range"),
        ({"points": (Point(1),)}, r"\.points: wrong length"),
        ({"config": {"a": [1, (2,)]}}, r"\.config\.a\[1\]: not a plain value"),
    ],
)
def test_encode_refuses_what_does_not_fit(changes: dict[str, Any], message: str) -> None:
    """Each value that its field cannot hold is a RecordError with the field's path."""
    with pytest.raises(RecordError, match=f"^Everything{message}"):
        encode(everything(**changes))


def test_encode_refuses_a_blob_that_is_not_bytes() -> None:
    """A blob must be bytes, as it will be when it is decoded."""
    with pytest.raises(RecordError, match=r"Section\.rest: not bytes; got memoryview"):
        encode(Section(1, rest=memoryview(b"x")))  # type: ignore[arg-type]  # what the test is about


def test_cbor_outside_a_layout_is_as_strict() -> None:
    """The same rules, with a name for messages."""
    value = {"a": [1, b"x"]}
    assert load_cbor(memoryview(dump_cbor(value, "MANIFEST")), "MANIFEST") == value
    with pytest.raises(RecordError, match=r"^MANIFEST\.a\[1\]: not a plain value"):
        dump_cbor({"a": [1, (2,)]}, "MANIFEST")
    with pytest.raises(RecordError, match=r"^MANIFEST: bad CBOR: tag 1 is not plain"):
        load_cbor(b"\xc1\0", "MANIFEST")


def test_encode_and_decode_refuse_other_classes() -> None:
    """A class without a layout is a programming error."""
    with pytest.raises(TypeError, match="is not a layout class"):
        encode(3)
    with pytest.raises(TypeError, match="is not a layout class"):
        decode(int, b"")
