"""Tests of domctx.schema.render_docs: layouts as Markdown tables."""

from __future__ import annotations

from domctx.schema import U8, U16, Array, table
from helpers.layouts import Point, Section, TrapInfo, make_layout


def test_table_tells_place_type_unit_and_meaning() -> None:
    """One row for each field, under one head."""
    assert table(TrapInfo) == (
        "| offset | size | field | type | unit | meaning |\n"
        "|---|---|---|---|---|---|\n"
        "| 0 | 1 | `vector` | u8 |  | vector number |\n"
        "| 1 | 1 | `flags` | u8 |  | bits 0-1 DPL, bit 2 clears event-enable; 0 none, 3 ring 3 |\n"
        "| 2 | 2 | `cs` | u16 |  | code selector |\n"
        "| 4 | 4 | `address` | u32 | linear address | handler |\n"
    )


def test_table_tells_byte_order_versions_and_tails() -> None:
    """What is not little-endian, not of version 1 or not of fixed size is said."""
    assert "| 0 | 2 | `x` | s16, big-endian | pages | east |\n| 2 | 2 | `hole` | reserved[2] |" in table(Point)
    assert "| 8 | to the end | `rest` | blob |  | of version 2 too; since version 2 |" in table(Section)
    cls = make_layout([Array(U16, 2, "words"), U8("octet")], "big")
    assert "| u16[2], big-endian |" in table(cls)
    assert "| u8 |" in table(cls)


def test_table_escapes_what_would_end_a_cell() -> None:
    """Bars are escaped and lines joined."""
    assert r"| a \| b c |" in table(make_layout([U8("a | b\nc")]))
