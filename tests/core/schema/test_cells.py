"""Tests of domctx.schema.cells: the codec of one field by itself."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given

from domctx.schema import S16, U8, U64, Bytes, Reserved, Text
from domctx.schema.cells import BytesCell, Cell, IntegerCell, ReservedCell, TextCell
from domctx.schema.compile import cell_of
from domctx.schema.problems import FieldError
from domctx.testing.strategies import values


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        (IntegerCell(S16("a")), "h"),
        (BytesCell(7), "7s"),
        (ReservedCell(3), "3s"),
        (TextCell(8), "8s"),
    ],
)
def test_a_cell_is_one_struct_value(cell: Cell, code: str) -> None:
    """Every simple field is one value of the struct format."""
    assert (cell.code, cell.count) == (code, 1)


@given(values(Text(12, "a")))
def test_text_keeps_inner_nuls(text: str) -> None:
    """Only the padding is dropped."""
    cell = TextCell(12)
    (packed,) = cell.pack(text)
    assert cell.unpack([packed.ljust(12, b"\0")]) == text


@pytest.mark.parametrize("marker", [U8("a"), U64("b"), Bytes(3, "c"), Text(3, "d"), Reserved(3)])
def test_what_a_cell_packs_is_never_explained(marker: Any) -> None:
    """A good value has no problem to tell."""
    cell = cell_of(marker, 1)
    good = cell.unpack(struct.unpack("<" + cell.code, bytes(struct.calcsize("<" + cell.code))))
    assert cell.explain(good) is None


def test_reserved_octets_are_checked_both_ways() -> None:
    """Neither read nor written unless zero."""
    with pytest.raises(FieldError, match="octet 2"):
        ReservedCell(3).unpack([b"\0\0\1"])
    with pytest.raises(FieldError, match="octet 0"):
        ReservedCell(3).pack(b"\1\0\0")
    with pytest.raises(FieldError, match="wrong length"):
        ReservedCell(3).pack(bytes(2))
