"""PAGE_TABLES as JSON, and compared."""

from __future__ import annotations

import json
from typing import Any

import attrs
import numpy as np
from hypothesis import given, settings

from domctx.states import PageTablesContext, SpecialMapping, Suspension
from domctx_page_tables.compare import MAX_SHOWN, compare, describe
from helpers.page_tables import contexts, pages_context

BASE = pages_context(
    [0] * 0x123 + [1] * 3 + [10],
    frame_list=(7,),
    special=(SpecialMapping(3, 9, 0x23, "shared_info"),),
    suspension=Suspension(registers={"esi": 5, "eax": 1}, displaced={4: b"", 5: bytes([1]) * 4096}),
)


def changes(**fields: Any) -> list[tuple[str, Any, Any]]:
    """What differs between BASE and BASE with some fields replaced."""
    found = list(compare(BASE, attrs.evolve(BASE, **fields)))
    assert all(difference.record == "PAGE_TABLES[0]" and difference.counted for difference in found)
    return [(difference.path, difference.a, difference.b) for difference in found]


def test_each_field_is_named() -> None:
    """One change of one field gives one difference, named by its path."""
    types = BASE.types.copy()
    types[0x123] = 9
    suspended = BASE.suspension
    assert suspended is not None
    assert changes(types=types) == [("types[0x123]", "L1TAB", "L1TAB pinned")]
    assert changes(frame_list=(8,)) == [("frame_list[0]", "0x00000007", "0x00000008")]
    assert changes(frame_list=()) == [("frame_list[0]", "0x00000007", None)]
    assert changes(width=8) == [("width", 4, 8)]
    assert changes(levels=3) == [("levels", 2, 3)]
    assert changes(special=()) == [("special[0x3, 9]", "shared_info | 0x023", None)]
    registers = attrs.evolve(suspended, registers={"esi": 6, "eax": 1})
    assert changes(suspension=registers) == [("suspension.registers.esi", "0x00000005", "0x00000006")]
    displaced = attrs.evolve(suspended, displaced={5: bytes([1]) * 4096})
    assert changes(suspension=displaced) == [("suspension.displaced[0x4]", "zeros", None)]
    (path, one, other), *none = changes(suspension=attrs.evolve(suspended, displaced={4: b"", 5: bytes(4096)}))
    assert (path, none) == ("suspension.displaced[0x5]", [])
    assert one != other
    assert [path for path, _, _ in changes(suspension=None)] == ["suspension"]


def test_runs_of_pages_that_differ_alike_come_as_one() -> None:
    """A million changed types do not become a million lines."""
    a = pages_context(np.zeros(1 << 20, dtype=np.uint8))
    b = pages_context(np.ones(1 << 20, dtype=np.uint8))
    assert [difference.path for difference in compare(a, b)] == ["types[0x0..0xfffff]"]


def test_sizes_are_compared_before_types() -> None:
    """Domains of different sizes differ in their size, and in the types of the pages that both have."""
    found = list(compare(pages_context([0, 1, 2]), pages_context([0, 2])))
    assert [(item.path, item.a, item.b) for item in found] == [("pfns", 3, 2), ("types[0x1]", "L1TAB", "L2TAB")]


def test_nothing_against_something_differs() -> None:
    """A state that holds nothing differs from one that does, and not from another that holds nothing."""
    assert not list(compare(None, None))
    assert [(item.a, item.b) for item in compare(None, BASE)] == [(None, "present")]
    assert [(item.a, item.b) for item in compare(BASE, None)] == [("present", None)]


@settings(max_examples=30, deadline=None)
@given(contexts())
def test_a_context_equals_itself_and_is_json(context: PageTablesContext) -> None:
    """Comparing a context with itself finds nothing, and what ``show`` prints is JSON."""
    assert not list(compare(context, context))
    assert json.loads(json.dumps(describe(context)))["pfns"] == len(context.types)


def test_show_reads_well() -> None:
    """Types come as counts and as runs, numbers of pages in hexadecimal."""
    assert describe(BASE) == {
        "width": 4,
        "levels": 2,
        "pfns": 0x127,
        "type_counts": {"NOTAB": 0x123, "L1TAB": 3, "L2TAB pinned": 1},
        "type_runs": [
            {"pfns": "0x0..0x122", "type": "NOTAB"},
            {"pfns": "0x123..0x125", "type": "L1TAB"},
            {"pfns": "0x126", "type": "L2TAB pinned"},
        ],
        "type_runs_not_listed": 0,
        "frame_list": ["0x7"],
        "special": [{"pfn": "0x3", "index": 9, "flags": "0x023", "target": "shared_info"}],
        "suspension": {"registers": {"eax": "0x00000001", "esi": "0x00000005"}, "displaced": ["0x4", "0x5"]},
    }


def test_show_is_bounded() -> None:
    """Of a million runs of types ``show`` lists some, and tells how many more there are."""
    shown = describe(pages_context(np.arange(MAX_SHOWN + 10) % 2))
    assert len(shown["type_runs"]) == MAX_SHOWN
    assert shown["type_runs_not_listed"] == 10
