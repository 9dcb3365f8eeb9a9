"""The rules of a restore that concern single frame numbers."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from domctx.errors import RecordError
from domctx_page_tables import check_frame_list, check_pfn
from domctx_page_tables.rules import type_name

TYPES = np.array([0, 0, 1, 2, 10, 0], dtype=np.uint8)
"""PFN 0, 1, 5 plain, 2 an L1 table, 3 an L2 table, 4 a pinned L2 table."""


def test_good_numbers_pass() -> None:
    """Pages of the domain, and plain pages where plain pages belong."""
    check_pfn("x", 5, 6)
    check_frame_list([1], TYPES)
    check_frame_list([1, 5], np.zeros(1025, dtype=np.uint8))


BROKEN: dict[str, tuple[Callable[[], None], str]] = {
    "a page past the end": (lambda: check_pfn("esi", 6, 6), "esi is no page of the domain; expected a PFN below"),
    "a page before the beginning": (lambda: check_pfn("esi", -1, 6), "esi is no page of the domain"),
    "a frame list too long": (lambda: check_frame_list([0, 1], TYPES), "wrong length; expected 1, got 2"),
    "a frame list too short": (lambda: check_frame_list([], TYPES), "wrong length; expected 1, got 0"),
    "a frame list past the end": (lambda: check_frame_list([6], TYPES), r"frame_list\[0\] is no page of the domain"),
    "a frame list in a table": (
        lambda: check_frame_list([2], TYPES),
        r"frame_list\[0\] names PFN 0x00000002, which is a page table; expected NOTAB, got L1TAB",
    ),
    "a frame list in a pinned table": (lambda: check_frame_list([4], TYPES), "expected NOTAB, got L2TAB pinned"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_rule_is_refused_by_name(name: str) -> None:
    """What breaks a rule raises a RecordError that says which, and what was found."""
    act, message = BROKEN[name]
    with pytest.raises(RecordError) as caught:
        act()
    assert re.search(message, str(caught.value))


def test_types_have_names() -> None:
    """A page type is named by its level and whether it is pinned; an unknown one by its number."""
    assert [type_name(kind) for kind in (0, 1, 4, 9, 7)] == ["NOTAB", "L1TAB", "L4TAB", "L1TAB pinned", "type 7"]
