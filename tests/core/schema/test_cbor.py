"""Tests of domctx.schema.cbor: plain values and nothing but canonical CBOR."""

from __future__ import annotations

import math
import re
from typing import Any

import cbor2
import pytest
from hypothesis import given, strategies as st

from domctx.schema.cbor import MAX_DEPTH, check, dumps, is_plain, loads
from domctx.schema.problems import FieldError
from domctx.testing.strategies import plain_values


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@given(plain_values())
def test_loads_is_the_inverse_of_dumps(value: Any) -> None:
    """Plain values survive, and give the same octets again."""
    octets = dumps(value)
    assert loads(octets) == value
    assert dumps(loads(octets)) == octets


@given(st.binary(max_size=40))
def test_any_octets_are_loaded_or_refused(octets: bytes) -> None:
    """Whatever loads is written the same; all else is a FieldError."""
    try:
        value = loads(octets)
    except FieldError:
        return
    assert dumps(value) == octets


@given(plain_values())
def test_octets_behind_the_item_are_refused(value: Any) -> None:
    """One item is all there is."""
    with pytest.raises(FieldError):
        loads(dumps(value) + b"\0")


def test_keys_are_ordered_by_length_and_then_by_octets() -> None:
    """However a dict was made, its octets are the same."""
    assert dumps({"aa": 1, "b": 2, 3: 3}) == dumps({3: 3, "b": 2, "aa": 1}) == bytes.fromhex("a30303616202626161 01")


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        ("", "bad CBOR: premature end"),
        ("18", "bad CBOR: premature end"),
        ("9bffffffffffffffff", "bad CBOR: premature end"),
        ("5bffffffffffffffff00", "bad CBOR: premature end"),
        ("ff", "bad CBOR: break code|not a plain value"),
        ("61ff", "bad CBOR: .*utf-8"),
        ("81" * (MAX_DEPTH + 1) + "00", "bad CBOR: .*depth"),
        ("c000", "bad CBOR: tag 0 is not plain"),
        ("c24101", "bad CBOR: tag 2 is not plain"),
        ("d81c80", "bad CBOR: tag 28 is not plain"),
        ("d81d00", "bad CBOR: tag 29 is not plain"),
        ("d9010080", "bad CBOR: tag 256 is not plain"),
        ("d9d9f700", "bad CBOR: tag 55799 is not plain"),
        ("d90fff00", "bad CBOR: tag 4095 is not plain"),
        ("f7", "not a plain value; .*UndefinedType"),
        ("e0", "not a plain value; .*SimpleValue"),
        ("a18000", "not a plain key"),
        ("a1f500", "not a plain key; .*bool"),
        ("a1f93c0000", "not a plain key; .*float"),
        ("0000", "octet 1 on; expected its end, got 00"),
        ("1800", "octet 0 on; expected 00, got 18 00"),
        ("5f4100ff", "octet 0 on"),
        ("9f00ff", "octet 0 on"),
        ("a20001 0002", "octet 0 on; expected a1 00 02"),
        ("a2616201616101", "octet 2 on"),
        ("fa3fc00000", "octet 0 on; expected f9 3e 00"),
        ("f97e01", "octet 2 on"),
    ],
)
def test_loads_refuses_what_is_not_canonical_and_plain(octets: str, message: str) -> None:
    """Damage, tags, other types, long heads, open lengths, and doubled or unordered keys: each its own message."""
    with pytest.raises(FieldError) as caught:
        loads(bytes.fromhex(octets))
    error = caught.value
    assert re.search(message, f"{error.message}; expected {error.expected}, got {error.got}")


def test_depth_is_bounded_on_both_roads() -> None:
    """Thirty-two levels are good, one more is refused."""
    assert loads(dumps(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    with pytest.raises(FieldError, match="nested too deep"):
        dumps(nested(MAX_DEPTH + 1))
    with pytest.raises(FieldError, match="bad CBOR"):
        loads(cbor2.dumps(nested(MAX_DEPTH + 1)))


def test_not_a_number_has_one_form() -> None:
    """The canonical NaN survives."""
    assert dumps(math.nan) == bytes.fromhex("f97e00")
    assert math.isnan(loads(dumps(math.nan)))


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        (1 << 64, "", "beyond what CBOR holds"),
        ([0, -(1 << 64) - 1], "[1]", "beyond what CBOR holds"),
        ([1 << 64, 0], "[0]", "beyond what CBOR holds"),
        ({"a": {"b c": [(1,)]}}, "a['b c'][0]", "not a plain value"),
        ({1: {2}}, "[1]", "not a plain value"),
        ({None: 1}, "", "not a plain key"),
        ({1 << 64: 1}, "", "beyond what CBOR holds"),
        (["\ud800"], "[0]", "not Unicode text"),
        ({"\udfff": 1}, "", "not Unicode text"),
        (bytearray(3), "", "not a plain value"),
    ],
)
def test_check_names_the_place(value: Any, path: str, message: str) -> None:
    """What is not plain is told with the path to it."""
    with pytest.raises(FieldError, match=message) as caught:
        check(value)
    assert caught.value.path == path


@given(plain_values())
def test_what_is_plain_can_be_written(value: Any) -> None:
    """Plain is what dumps takes, and a set in it makes it otherwise."""
    assert is_plain(value)
    assert not is_plain([value, {1}])
