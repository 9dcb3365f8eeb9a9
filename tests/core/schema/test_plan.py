"""Tests of domctx.schema.plan: what a layout class is compiled to."""

from __future__ import annotations

import attrs
import pytest

from domctx.schema.plan import default_of, layout_of
from helpers.layouts import Everything, Section, TrapInfo


def test_a_layout_has_a_plan_for_each_version_that_brought_a_field() -> None:
    """The plan of a version is that of the newest fields it has."""
    found = layout_of(Section)
    assert found.versions == (1, 2, 3)
    assert [found.plan(version).size for version in (1, 2, 3, 7, None)] == [2, 6, 8, 8, 8]
    assert [slot.name for slot in found.plan(1).absent] == ["two", "three", "rest"]
    assert [found.plan(version).tail is None for version in (1, 2)] == [True, False]


def test_a_layout_of_numbers_is_direct() -> None:
    """Where no field needs a second look, decoding takes the quick road."""
    assert layout_of(TrapInfo).plan().direct
    assert not layout_of(Everything).plan().direct


def test_default_of_makes_a_new_default_each_time() -> None:
    """A factory is called, a value is given as it is."""

    @attrs.frozen
    class Holder:
        made: list[int] = attrs.Factory(list)
        kept: int = 3

    made, kept = attrs.fields(Holder)
    assert default_of(made) == []
    assert default_of(made) is not default_of(made)
    assert default_of(kept) == 3


def test_layout_of_refuses_a_subclass_of_its_own() -> None:
    """A layout is not inherited: a subclass may have more fields."""
    with pytest.raises(TypeError, match=r"Sub'> is not a layout class: put @layout"):
        layout_of(type("Sub", (TrapInfo,), {}))
