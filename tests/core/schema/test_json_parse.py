"""Tests of domctx.schema.json_parse: JSON back to bodies."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import RecordError
from domctx.schema import U8, encode, from_json, layout, to_json
from domctx.testing.strategies import bodies
from helpers.layouts import Everything, Section, everything, layouts, make_layout


@layout(source="a test")
@attrs.frozen
class Private:
    """A private field."""

    _x: Annotated[int, U8("a")]


@given(bodies(Everything))
def test_from_json_is_the_inverse_of_to_json(value: Everything) -> None:
    """An object survives JSON text and gives the same octets."""
    assert encode(from_json(Everything, json.loads(json.dumps(to_json(value))))) == encode(value)


@given(st.data())
@settings(max_examples=30)
def test_random_layouts_survive_json(data: st.DataObject) -> None:
    """Layouts that nobody wrote survive too."""
    cls = data.draw(layouts())
    value = data.draw(bodies(cls))
    assert from_json(cls, to_json(value)) == value


def test_floats_that_json_has_no_word_for_survive() -> None:
    """NaN and the infinities come back."""
    value = everything(config=[math.nan, math.inf, -math.inf])
    assert encode(from_json(Everything, to_json(value))) == encode(value)


def test_fields_with_a_default_may_be_left_out() -> None:
    """A short object is completed."""
    assert from_json(Section, {"one": 3}) == Section(3)


def test_private_fields_are_told_by_their_own_name() -> None:
    """A leading underscore stays in JSON, though attrs drops it from the argument."""
    assert from_json(Private, {"_x": 1}) == Private(1)
    assert to_json(Private(1)) == {"_x": 1}


def told(**changes: Any) -> dict[str, Any]:
    """An Everything as JSON, with changes."""
    return to_json(everything()) | changes


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "^Everything: not what it should be; expected an object, got list"),
        (told(more=1), "^Everything: has no field more; expected u8, u64,"),
        (told(pad="000000"), "^Everything: has no field pad"),
        ({}, r"^Everything\.u8: is missing"),
        (told(u8="1"), r"^Everything\.u8: not an integer"),
        (told(u8=256), r"^Everything\.u8: out of range"),
        (told(fpu=3), r"^Everything\.fpu: not what it should be; expected octets in hex, got int"),
        (told(fpu="xy"), r"^Everything\.fpu: not hex; got 'xy'"),
        (told(name=3), r"^Everything\.name: not text"),
        (told(words=3), r"^Everything\.words: not what it should be; expected a list, got int"),
        (told(keys=["6162", "1"]), r"^Everything\.keys\[1\]: not hex"),
        (told(point={"y": 1}), r"^Everything\.point\.x: is missing"),
        (told(points=[{"x": 1}, {"z": 1}]), r"^Everything\.points\[1\]: has no field z"),
        (told(config={"a": [{"hex": "x"}]}), r"^Everything\.config\.a\[0\]: not hex"),
        (told(config={"a": {"float": "1"}}), r"^Everything\.config\.a: not a float; expected nan, inf, -inf, got '1'"),
        (told(config={"float": {}}), r"^Everything\.config: not a float"),
        (told(config={"map": 1}), r"^Everything\.config: .*expected a list of \[key, value\], got int"),
        (told(config={"map": [1]}), r"^Everything\.config: .*expected \[key, value\], got int"),
        (told(config={"map": [[1]]}), r"^Everything\.config: .*expected \[key, value\], got a list of 1"),
        (told(config={"map": [[[], 1]]}), r"^Everything\.config: not a key, or there twice; got \[\[\]\]"),
        (told(config={"map": [[1, 1], [1, 2]]}), r"^Everything\.config: not a key, or there twice; got \[1\]"),
        (told(config={"map": [[1, {"hex": 1}]]}), r"^Everything\.config\[1\]: .*expected octets in hex"),
        (told(config={"map": [[None, 1]]}), r"^Everything\.config: not a plain key"),
    ],
)
def test_from_json_refuses_with_the_path(value: Any, message: str) -> None:
    """What cannot become an object that encodes is a RecordError that says where."""
    with pytest.raises(RecordError, match=message):
        from_json(Everything, value)


def test_from_json_runs_validators() -> None:
    """What people write is validated, and a refusal is told as one."""

    def small(_: Any, __: Any, value: int) -> None:
        if value > 3:
            raise ValueError("too big for us")

    cls = make_layout([U8("a")], f0=attrs.field(validator=small))
    assert from_json(cls, {"f0": 3}) == cls(3)
    with pytest.raises(RecordError, match="Made: refused by Made: too big for us"):
        from_json(cls, {"f0": 4})
