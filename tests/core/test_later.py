"""Names of things that are imported when they are first used."""

from __future__ import annotations

import sys

import attrs
import pytest

from domctx.api import RecordType
from domctx.later import imported, later
from domctx.trace import name_of
from helpers import toys


def test_a_function_is_imported_when_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its module is not imported before, and it gets the arguments and gives the result."""
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    grey = later("colorsys:rgb_to_hsv")
    assert "colorsys" not in sys.modules
    assert grey(0.5, 0.5, 0.5) == (0.0, 0.0, 0.5)


def test_a_function_is_named_before_it_is_imported() -> None:
    """Traces name it as they name the function itself."""
    assert name_of(later("no.such.module:Class.function")) == "no.such.module.Class.function"


def test_names_may_lead_into_a_class() -> None:
    """An attribute of an attribute is found, and a module alone is the module."""
    assert imported("helpers.toys:DialBody.__name__") == "DialBody"
    assert imported("helpers.toys") is toys


def test_a_body_may_be_given_by_name() -> None:
    """``layout`` is the class that ``module:Class`` names, a class that was given itself, or None."""
    given: list[type | str | None] = [toys.DialBody, "helpers.toys:DialBody", None]
    dial = next(each for each in toys.record_types() if each.name == "DIAL")
    found: list[RecordType] = [attrs.evolve(dial, body=each) for each in given]
    assert [each.layout for each in found] == [toys.DialBody, toys.DialBody, None]
