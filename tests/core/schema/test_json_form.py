"""Tests of domctx.schema.json_form: bodies as JSON."""

from __future__ import annotations

import math
from typing import Any

import pytest

from domctx.schema import cbor_to_json, to_json
from helpers.layouts import Section, everything


def test_to_json_tells_every_field_but_reserved_ones() -> None:
    """Octets are hex, arrays lists, structs objects."""
    told = to_json(everything())
    trap = {"vector": 14, "flags": 3, "cs": 0x819, "address": 0xC010_0000}
    assert told["fpu"] == bytes(range(40)).hex()
    assert told["name"] == "dom\xe9"
    assert told["keys"] == ["6162", "6364"]
    assert told["grid"] == [[1, 2], [3, 4], [5, 6]]
    assert told["point"] == {"x": -2, "y": 3}
    assert told["traps"] == [trap] * 4
    assert told["config"] == {"blocks": [1, {"raw": {"hex": "7879"}}], "two words": None}
    assert "pad" not in told
    assert to_json(Section(1, rest=b"\xff"))["rest"] == "ff"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (True, True),
        (1.5, 1.5),
        (b"", {"hex": ""}),
        (math.inf, {"float": "inf"}),
        ({"hex": 1}, {"map": [["hex", 1]]}),
        ({"hex": 1, "map": 2}, {"hex": 1, "map": 2}),
        ({"map": b"a"}, {"map": [["map", {"hex": "61"}]]}),
        ({1: 2, "a": [b"b"]}, {"map": [[1, 2], ["a", [{"hex": "62"}]]]}),
    ],
)
def test_cbor_is_told_without_loss(value: Any, told: Any) -> None:
    """What JSON has no word for is wrapped, and what looks like a wrapper too."""
    assert cbor_to_json(value) == told
