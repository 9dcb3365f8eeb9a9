"""Tests of domctx.states: the shared vocabulary."""

from __future__ import annotations

import numpy as np

from domctx import states
from domctx.api import StateKey
from domctx.states import PageBatch, PageKind, PageType


def test_a_batch_counts_all_its_pages() -> None:
    """Those without contents too."""
    kinds = np.array([PageKind.DATA, PageKind.ZERO, PageKind.ABSENT], np.uint8)
    assert PageBatch(0, 7, kinds, np.zeros((1, 4096), np.uint8)).count == 3


def test_the_numbers_of_page_kinds_and_types_never_change() -> None:
    """They stand in images."""
    assert [kind.name for kind in sorted(PageKind)] == [
        "DATA", "ZERO", "FILL", "ABSENT", "POPULATE", "BROKEN", "INVALID", "BASE",
    ]  # fmt: skip
    assert {kind.name: kind.value for kind in PageType} == {
        "NOTAB": 0, "L1TAB": 1, "L2TAB": 2, "L3TAB": 3, "L4TAB": 4, "PINNED": 8,
    }  # fmt: skip


def test_each_state_has_a_name_of_its_own() -> None:
    """By which --drop leaves it out."""
    keys = [value for value in vars(states).values() if isinstance(value, StateKey)]
    assert len({key.name for key in keys}) == len(keys) >= 9
    assert str(states.MEMORY) == "memory"
