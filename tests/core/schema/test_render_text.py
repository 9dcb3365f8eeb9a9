"""Tests of domctx.schema.render_text: bodies as plain text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from domctx.schema import S8, U8, U16, U32, Integer, show
from domctx.schema.render_text import integer_text
from domctx.testing.strategies import bodies
from helpers.layouts import Section, TrapInfo, everything, layouts


def test_show_aligns_name_value_and_unit() -> None:
    """One line for each field, in columns."""
    assert show(TrapInfo(14, 3, 0x819, 0xC010_0000)) == [
        "vector   0x0e",
        "flags    0x03 ring 3",
        "cs       0x0819",
        "address  0xc0100000  linear address",
    ]


def test_show_tells_every_kind_of_field() -> None:
    """Arrays run together where they are equal, octets come in lines, text and CBOR quoted."""
    config = {"blocks": [1, {"raw": b"xy"}], "two words": "\x1b[1m", "none": {}, "empty": b""}
    lines = [line.split("  ", 1) for line in show(everything(config=config, name="a\x9b"))]
    told = [(name, value.strip()) for name, value in lines]
    octets = bytes(range(40)).hex(" ", 4)
    assert told == [
        ("u8", "0x01"),
        ("u64", "1099511627776  octets"),
        ("s8", "-1"),
        ("s64", "-5"),
        ("fpu[0x0000:0x0020]", octets[: 8 * 9 - 1]),
        ("fpu[0x0020:0x0028]", octets[8 * 9 :]),
        ("name", r"'a\x9b'"),
        ("words[0]", "0x0001" + " " * 9 + "PFN"),
        ("words[1]", "0x0002" + " " * 9 + "PFN"),
        ("words[2]", "0x0003" + " " * 9 + "PFN"),
        ("keys[0]", "6162"),
        ("keys[1]", "6364"),
        *((f"grid[{row}][{column}]", f"0x0{2 * row + column + 1}") for row in range(3) for column in range(2)),
        ("point.x", "-2" + " " * 13 + "pages"),
        ("point.y", "3" + " " * 14 + "pages"),
        ("traps[0:4].vector", "0x0e"),
        ("traps[0:4].flags", "0x03 ring 3"),
        ("traps[0:4].cs", "0x0819"),
        ("traps[0:4].address", "0xc0100000" + " " * 5 + "linear address"),
        ("points[0].x", "-2" + " " * 13 + "pages"),
        ("points[0].y", "3" + " " * 14 + "pages"),
        ("points[1].x", "5" + " " * 14 + "pages"),
        ("points[1].y", "-1" + " " * 13 + "pages"),
        ("config.blocks[0]", "1"),
        ("config.blocks[1].raw", "7879"),
        ("config['two words']", r"'\x1b[1m'"),
        ("config.none", "{}"),
        ("config.empty", "empty"),
    ]


def test_show_shortens_octets() -> None:
    """Zeros and repeated lines are told once, and what is beyond the limit is counted."""
    assert show(Section(1, rest=b""))[-1].split() == ["rest", "empty"]
    assert show(Section(1, rest=bytes(5000)))[-1].split() == ["rest", "5000", "octets,", "all", "zero"]
    lines = show(Section(1, rest=b"\1" * 64 + b"\2" * 100), octets=96)[-3:]
    assert [line.split()[0] for line in lines] == ["rest[0x0000:0x0040]", "rest[0x0040:0x0060]", "rest[0x0060:0x00a4]"]
    assert [line.split()[-1] for line in lines] == ["repeated", "02020202", "more"]
    assert lines[2].endswith("68 octets more")


@given(st.data())
@settings(max_examples=30)
def test_show_takes_random_layouts(data: st.DataObject) -> None:
    """Every line is printable, whatever the octets are."""
    lines = show(data.draw(bodies(data.draw(layouts()))))
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("marker", "value", "text"),
    [
        (U16("a"), 10, "0x000a"),
        (S8("a"), -10, "-10"),
        (U32("a", unit="octets"), 10, "10"),
        (U32("a", unit="PFN << 12"), 10, "0x0000000a"),
        (U32("a", unit="bits"), 10, "10"),
        (U32("a", unit="offset in CS"), 10, "0x0000000a"),
        (U32("a", unit="frame"), 10, "0x0000000a"),
        (U32("a", unit="machine addresses"), 10, "0x0000000a"),
        (U32("a", unit="frames"), 10, "10"),
        (U32("a", unit="folded CR3"), 10, "0x0000000a"),
        (U8("a", names={1: "on"}), 1, "0x01 on"),
        (U8("a", unit="octets", names={1: "on"}), 1, "1 on"),
        (U8("a", names={1: "on"}), 2, "0x02"),
    ],
)
def test_numbers_are_told_as_their_unit_asks(marker: Integer, value: Any, text: str) -> None:
    """Hex in full width for addresses, frame numbers and whatever has no unit; decimal for counts; names behind."""
    assert integer_text(marker, value) == text
