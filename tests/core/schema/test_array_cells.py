"""Tests of domctx.schema.array_cells: arrays by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from domctx.schema import U8, U16, Array, Bytes, Text
from domctx.schema.array_cells import ElementsCell, NumbersCell, StructsCell
from domctx.schema.compile import cell_of
from domctx.schema.problems import FieldError
from helpers.layouts import Point, TrapInfo


@pytest.mark.parametrize(
    ("marker", "kind", "code", "count"),
    [
        (Array(U16, 1024, "a"), NumbersCell, "1024H", 1024),
        (Array(TrapInfo, 256, "a"), StructsCell, "2048s", 1),
        (Array(Bytes(3, "a"), 2, "b"), ElementsCell, "3s3s", 2),
        (Array(Array(U8, 4, "a"), 2, "b"), ElementsCell, "4B4B", 8),
    ],
)
def test_an_array_has_the_quickest_cell(marker: Any, kind: type, code: str, count: int) -> None:
    """Numbers are one struct item, structs one run of octets, all else item by item."""
    cell = cell_of(marker, 1)
    assert isinstance(cell, kind)
    assert (cell.code, cell.count) == (code, count)


def test_a_bad_struct_is_named_by_its_index() -> None:
    """Reading and writing both say which element is wrong."""
    cell = cell_of(Array(Point, 3, "a"), 1)
    with pytest.raises(FieldError, match="reserved") as caught:
        cell.unpack([bytes(8 + 2) + b"\1" + bytes(13)])
    assert caught.value.path == "[1].hole"
    with pytest.raises(FieldError, match="another class") as caught:
        cell.pack((Point(1), Point(2), 3))
    assert caught.value.path == "[2]"
    assert cell.explain((Point(1),) * 3) is None


def test_a_bad_element_is_named_by_its_index() -> None:
    """Arrays of arrays say both indexes."""
    cell = cell_of(Array(Array(U8, 2, "a"), 2, "b"), 1)
    assert cell.explain(((1, 2), (3, 4))) is None
    problem = cell.explain(((1, 2), (3, 400)))
    assert problem is not None
    assert problem.path == "[1][1]"
    with pytest.raises(FieldError, match="wrong length") as caught:
        cell_of(Array(Text(2, "a"), 2, "b"), 1).pack(("a",))
    assert caught.value.path == ""
