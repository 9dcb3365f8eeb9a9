"""Which octets of a section are which field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from domctx.testing.strategies import plain_values
from domctx_qemu import spans as module
from domctx_qemu.spans import Span, spans
from helpers.device_states import TIMER_FIELDS


def test_fields_follow_one_another() -> None:
    """Fields of plain sizes stand one behind the other; arrays are told element by element."""
    assert spans({"fields": TIMER_FIELDS}, 26) == [
        Span("cpu_ticks_offset", 0, 8),
        Span("unused", 8, 16),
        Span("cpu_clock_offset", 16, 24),
        Span("flags[0]", 24, 25),
        Span("flags[1]", 25, 26),
    ]


def test_structs_are_told_by_their_own_fields() -> None:
    """A struct that its fields fill exactly is told field by field; one that they do not as a whole."""
    inner = {"fields": [{"name": "lo", "size": 2}, {"name": "hi", "size": 2}]}
    struct = {"name": "timer", "size": 4, "array_len": 2, "struct": inner}
    assert [span.name for span in spans({"fields": [struct]}, 8)] == [
        "timer[0].lo",
        "timer[0].hi",
        "timer[1].lo",
        "timer[1].hi",
    ]
    assert spans({"fields": [struct | {"size": 6, "array_len": 1}]}, 6) == [Span("timer", 0, 6)]


def test_an_element_told_apart_has_its_index() -> None:
    """vmdesc tells elements of an array of different contents one by one."""
    fields = [{"name": "irq", "index": 0, "size": 1}, {"name": "irq", "index": 1, "size": 1}]
    assert [span.name for span in spans({"fields": fields}, 2)] == ["irq[0]", "irq[1]"]


@pytest.mark.parametrize(
    "field",
    [
        {"name": "x"},
        {"name": "x", "size": -1},
        {"name": "x", "size": 1.0},
        {"name": "x", "size": True},
        {"name": "x", "size": 1, "array_len": 0},
        {"name": "x", "size": 1, "array_len": "2"},
        {"name": 1, "size": 1},
        {"size": 1},
        {"name": "x", "size": 3},
        {"name": "x", "size": 1, "array_len": 3},
        "x",
    ],
)
def test_a_field_without_a_plain_size_ends_what_is_known(field: Any) -> None:
    """What stands behind a field of unknown size, or one that reaches past the section, has no name."""
    fields = [{"name": "a", "size": 2}, field, {"name": "b", "size": 1}]
    assert spans({"fields": fields}, 4) == [Span("a", 0, 2)]


@pytest.mark.parametrize("description", [None, [], {}, {"fields": None}, {"fields": {}}, "fields"])
def test_what_is_no_description_tells_nothing(description: Any) -> None:
    """A description without a list of fields names no octets."""
    assert spans(description, 4) == []


def test_empty_fields_take_no_octets() -> None:
    """A field of no octets has no span, however many elements it claims."""
    fields = [{"name": "none", "size": 0, "array_len": 1 << 60}, {"name": "b", "size": 1}]
    assert spans({"fields": fields}, 4) == [Span("b", 0, 1)]


def test_the_number_of_spans_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A section of many small fields is told up to a limit; a struct beyond it as a whole."""
    monkeypatch.setattr(module, "MAX_SPANS", 3)
    assert len(spans({"fields": [{"name": "x", "size": 1, "array_len": 100}]}, 100)) == 3
    struct = {"name": "s", "size": 4, "struct": {"fields": [{"name": "x", "size": 1, "array_len": 4}]}}
    assert spans({"fields": [struct]}, 4) == [Span("s", 0, 4)]


@settings(max_examples=200, deadline=None)
@given(plain_values())
def test_any_description_is_read_without_fault(description: Any) -> None:
    """Whatever a description is, its spans lie in the section, in order and without gaps."""
    found = spans({"fields": [description, {"name": "a", "size": 1, "struct": description}]}, 16)
    found += spans(description, 16)
    assert all(0 <= span.start < span.stop <= 16 for span in found)
