"""Tests of domctx.machine: the description of a domain."""

from __future__ import annotations

import attrs
import pytest

from domctx import api
from domctx.machine import Machine, Placement, RamBlock


@pytest.mark.parametrize(
    ("size", "shift", "pages"), [(0, 12, 0), (1, 12, 1), (4096, 12, 1), (4097, 12, 2), (1 << 21, 21, 1)]
)
def test_a_last_partial_page_counts(size: int, shift: int, pages: int) -> None:
    """Pages are of the block's own size."""
    assert RamBlock("ram", size, shift).pages == pages


def test_a_description_is_frozen() -> None:
    """It crosses hooks."""
    for value in (Machine("m", "i386"), RamBlock("ram", 0), Placement(0, 0, 0)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            value.name = "other"  # type: ignore[misc, union-attr]  # the point of the test


def test_plugins_find_it_in_the_api() -> None:
    """It is the same class."""
    assert (api.Machine, api.RamBlock, api.Placement) == (Machine, RamBlock, Placement)
