"""Tests of domctx.errors: what an error says, and its exit code."""

from __future__ import annotations

import pytest

from domctx.errors import (
    DomainError,
    DomctxError,
    PluginError,
    RecordError,
    StreamError,
    UnsupportedError,
    UsageError,
)


def test_an_error_says_where_what_and_what_next() -> None:
    """File, offset, record, message, expected, got and hint, in this order."""
    error = StreamError("is wrong", file="a.dctx", offset=40, record="CPU[0]", expected=1, got=2, hint="mend it")
    assert str(error) == "a.dctx at 0x0000000000000028 in CPU[0]: is wrong; expected 1, got 2\n  mend it"


@pytest.mark.parametrize(
    ("details", "text"),
    [
        ({}, "wrong"),
        ({"got": 0}, "wrong; got 0"),
        ({"expected": 0}, "wrong; expected 0"),
        ({"offset": 0}, "at 0x0000000000000000: wrong"),
        ({"record": "X"}, "in X: wrong"),
        ({"hint": "do"}, "wrong\n  do"),
    ],
)
def test_parts_that_are_not_known_are_left_out(details: dict[str, object], text: str) -> None:
    """Zero is a value, None is none."""
    assert str(DomctxError("wrong", **details)) == text  # type: ignore[arg-type]  # a mapping of the parameters


def test_a_name_begins_no_line() -> None:
    """Each part stays on its line, whatever names stand in it."""
    error = UsageError("no 'a\nb'", file="c\nd", got="e\nf", hint="there is g\nh")
    assert str(error) == "c\\nd: no 'a\\nb'; got e\\nf\n  there is g\\nh"


def test_at_fills_in_only_what_is_not_known() -> None:
    """The innermost place wins; the error itself is given back."""
    error = RecordError("wrong", offset=8)
    assert error.at(file="f", offset=16, record="R") is error
    error.at(file="g", record="S")
    assert (error.file, error.offset, error.record) == ("f", 8, "R")


def test_exit_codes() -> None:
    """Each kind of refusal has the exit code that the documentation lists."""
    kinds = [UsageError, StreamError, RecordError, UnsupportedError, DomainError, PluginError, DomctxError]
    assert [kind.exit_code for kind in kinds] == [2, 3, 4, 5, 6, 70, 70]
