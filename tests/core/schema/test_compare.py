"""Tests of domctx.schema.compare: where two bodies differ."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from domctx.errors import RecordError
from domctx.schema import decode, differences, encode, fields, plain_differences
from domctx.testing.strategies import bodies, plain_values
from helpers.layouts import Everything, Point, Section, TrapInfo, everything


@given(bodies(Everything), bodies(Everything))
def test_differences_are_there_exactly_where_octets_differ(a: Everything, b: Everything) -> None:
    """No difference means equal octets, and the other way round."""
    assert not list(differences(a, a))
    assert bool(list(differences(a, b))) == (encode(a) != encode(b))


@given(bodies(Section), st.data())
def test_a_changed_octet_is_named_by_its_field(body: Section, data: st.DataObject) -> None:
    """Whatever octet of a body changes, the one difference is in the field that holds it."""
    octets = bytearray(encode(body))
    place = data.draw(st.integers(0, len(octets) - 1))
    octets[place] ^= data.draw(st.integers(1, 255))
    holder = [field.name for field in fields(Section) if field.offset <= place][-1]
    (found,) = differences(body, decode(Section, octets))
    assert found[0].startswith(holder)


@given(plain_values(), plain_values())
def test_plain_values_differ_exactly_where_their_octets_do(a: Any, b: Any) -> None:
    """CBOR tails are compared as they are written, not as Python compares."""
    left, right = everything(config=a), everything(config=b)
    assert bool(list(differences(left, right))) == (encode(left) != encode(right))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"u8": 9}, [("u8", 1, 9)]),
        ({"name": "x"}, [("name", "dom\xe9", "x")]),
        ({"words": (1, 9, 9)}, [("words[1]", 2, 9), ("words[2]", 3, 9)]),
        ({"keys": (b"ab", b"cx")}, [("keys[1][0x1:0x2]", "64", "78")]),
        ({"grid": ((1, 2), (3, 9), (5, 6))}, [("grid[1][1]", 4, 9)]),
        ({"point": Point(-2, 4)}, [("point.y", 3, 4)]),
        ({"traps": (TrapInfo(14, 3, 9, 0xC010_0000),) * 1 + everything().traps[1:]}, [("traps[0].cs", 0x819, 9)]),
        ({"fpu": bytes(40)}, [("fpu[0x1:0x28]", bytes(range(1, 40)).hex(), bytes(39).hex())]),
        ({"config": None}, [("config", {"blocks": [1, {"raw": {"hex": "7879"}}], "two words": None}, None)]),
        (
            {"config": {"blocks": [1.0, {"raw": b"xz"}, 7], "new": True}},
            [
                ("config.blocks[0]", 1, 1.0),
                ("config.blocks[1].raw[0x1:0x2]", "79", "7a"),
                ("config.blocks[2]", None, 7),
                ("config['two words']", None, None),
                ("config.new", None, True),
            ],
        ),
    ],
)
def test_differences_are_told_by_path(changes: dict[str, Any], expected: list[tuple[str, Any, Any]]) -> None:
    """Paths go down to numbers, runs of octets and CBOR values."""
    found = list(differences(everything(), everything(**changes)))
    assert [(path, repr(a), repr(b)) for path, a, b in found] == [(path, repr(a), repr(b)) for path, a, b in expected]


@pytest.mark.parametrize(("a", "b"), [(1, True), (0.0, -0.0), (1, 1.0), ("1", b"1"), ({}, []), (math.nan, 0)])
def test_values_that_python_calls_equal_can_differ(a: Any, b: Any) -> None:
    """The octets decide."""
    assert len(list(differences(everything(config=[a]), everything(config=[b])))) == 1


def test_not_a_number_equals_itself() -> None:
    """Equal octets are no difference."""
    assert not list(differences(everything(config=[math.nan, 1]), everything(config=[math.nan, 1])))
    found = list(differences(everything(config=[math.nan, 1]), everything(config=[math.nan, 2])))
    assert found == [("config[1]", 1, 2)]


def test_octets_are_told_in_runs() -> None:
    """Places that stand close together are one run; what one side has alone comes last."""
    a = bytearray(40)
    b = bytearray(44)
    b[4] = b[7] = b[30] = b[43] = 1
    found = list(differences(Section(1, rest=bytes(a)), Section(1, rest=bytes(b))))
    assert found == [
        ("rest[0x4:0x8]", "00000000", "01000001"),
        ("rest[0x1e:0x1f]", "00", "01"),
        ("rest[0x28:0x2c]", None, "00000001"),
    ]
    assert list(differences(Section(1, rest=b"ab"), Section(1, rest=b""))) == [("rest[0x0:0x2]", "6162", None)]


def test_differences_refuses_two_classes() -> None:
    """Objects of two layouts have nothing to compare."""
    with pytest.raises(TypeError, match="Point and Section are not one layout"):
        list(differences(Point(1), Section(1)))


def test_differences_refuses_what_cannot_be_encoded() -> None:
    """An object that has no octets cannot be compared by them."""
    with pytest.raises(RecordError, match=r"Point\.x: out of range"):
        list(differences(attrs.evolve(Point(1), x=1 << 20), Point(1)))


def test_plain_values_are_compared_by_their_paths() -> None:
    """Two plain values differ at the path of each item that differs, or that one side lacks."""
    found = list(plain_differences("at", {"a": [1, 2], "b": 3}, {"a": [1, 5], "c": None}))
    assert found == [("at.a[1]", 2, 5), ("at.b", 3, None), ("at.c", None, None)]
    assert list(plain_differences("", {"a": 1}, {"a": 2})) == [("a", 1, 2)]
