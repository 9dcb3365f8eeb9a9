"""Tests of domctx.schema.problems: paths and numbers as messages write them."""

from __future__ import annotations

import pytest

from domctx.schema.problems import FieldError, join, number, step, within


@pytest.mark.parametrize(
    ("first", "rest", "path"),
    [("a", "b", "a.b"), ("a", "[0]", "a[0]"), ("[0]", "b", "[0].b"), ("", "b", "b"), ("a", "", "a")],
)
def test_join_puts_dots_between_names_only(first: str, rest: str, path: str) -> None:
    """Indexes follow without a dot."""
    assert join(first, rest) == path


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (3, "[3]"),
        ("name", "name"),
        ("two words", "['two words']"),
        ("\x1b", r"['\x1b']"),
        ("\u0430", "['\u0430']"),
        (b"k", "[b'k']"),
        ("x" * 100, "['" + "x" * 59 + "...]"),
    ],
)
def test_step_names_a_key(key: object, text: str) -> None:
    """Identifiers stand alone, all else in brackets, and nothing is long."""
    assert step(key) == text


def test_number_is_hex_of_fixed_width() -> None:
    """The width is that of the field; the sign comes first."""
    assert [number(10, 2), number(-10, 1), number(1 << 16, 1)] == ["0x000a", "-0x0a", "0x10000"]


def test_within_puts_names_in_front() -> None:
    """Each level that a FieldError passes adds its name, and its cause is kept."""
    cause = ValueError()

    def fail() -> None:
        with within("a"), within("[1]"), within("b"):
            raise FieldError("wrong") from cause

    with pytest.raises(FieldError) as caught:
        fail()
    assert caught.value.path == "a[1].b"
    assert caught.value.__cause__ is cause
    assert str(caught.value.refusal("Body")) == "Body.a[1].b: wrong"
