"""Tests of domctx.options: -O name=value."""

from __future__ import annotations

import pytest

from domctx import options
from domctx.api import Format, Option, Role
from domctx.errors import UsageError

DECLARED = [
    Option("level", int, "how much", 3),
    Option("fast", bool, "whether"),
    Option("kind", str, "which", "a", choices=("a", "b")),
    Option("file", str, "a file", multiple=True),
]


def test_values_have_the_type_that_is_declared() -> None:
    """Numbers in any base, truth by several words, texts, and lists of those that come again."""
    given = ["level=0x10", "fast=Yes", "kind=b", "file=x=y", "file=", "file=z"]
    assert options.parse(given, DECLARED) == {"level": 16, "fast": True, "kind": "b", "file": ("x=y", "", "z")}
    assert options.parse(["fast=off"], DECLARED) == {"fast": False}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["speed=1"], "there is no option 'speed' here\n  -O NAME=VALUE; known: fast, file, kind, level"),
        (["level"], "option 'level' has no value\n  write -O level=VALUE"),
        (["level=many"], "option 'level' has a wrong value; expected a number, got 'many'"),
        (["fast=2"], "option 'fast' has a wrong value; expected true or false, got '2'"),
        (["kind=c"], "option 'kind' has a wrong value; expected a or b, got 'c'"),
        (["level=1", "level=2"], "option 'level' is given twice"),
    ],
)
def test_what_does_not_fit_is_refused(given: list[str], message: str) -> None:
    """Naming the option and what it takes."""
    with pytest.raises(UsageError) as caught:
        options.parse(given, DECLARED)
    assert str(caught.value) == message


def test_no_option_is_known_where_none_is_declared() -> None:
    """The hint says so."""
    with pytest.raises(UsageError, match="known: none"):
        options.parse(["a=b"], [])


def test_select_leaves_what_is_for_somebody_else() -> None:
    """Only declared names are parsed."""
    assert options.select(["level=1", "other=2"], DECLARED) == {"level": 1}


def test_defaults() -> None:
    """The declared default, an empty tuple for one that may come again, KeyError for one that is not declared."""
    assert options.value_of("level", {}, DECLARED) == 3
    assert options.value_of("level", {"level": 1}, DECLARED) == 1
    assert options.value_of("fast", {}, DECLARED) is None
    assert options.value_of("file", {}, DECLARED) == ()
    with pytest.raises(KeyError, match="'speed' is not declared"):
        options.value_of("speed", {}, DECLARED)


def test_what_an_option_is_for() -> None:
    """One that means something on the other side only is refused by name; on both sides both may be given."""
    own = [Option("then", str, "", role=Role.SOURCE), Option("start", str, "", role=Role.GOAL), Option("any", str, "")]
    live, file = Format(scheme="live", summary="", options=tuple(own)), Format(scheme="file", summary="")
    level = [Option("level", int, "")]
    options.check(["then=a", "any=b", "level=3"], [live], [file], level)
    options.check(["start=a", "any=b"], [file], [live], ())
    options.check(["then=a", "start=b", "any=c"], [live], [live], ())
    for given, sources, goals, is_ in (
        ("start", [live], [file], "source"),
        ("then", [file], [live], "goal"),
        ("then", [], [live], "goal"),
    ):
        with pytest.raises(
            UsageError, match=f"option '{given}' means nothing here: live: is the {is_}\n  leave it out"
        ):
            options.check([f"{given}=a"], sources, goals, ())
    with pytest.raises(UsageError, match=r"there is no option 'level' here\n.*known: any, start$"):
        options.check(["level=3"], [], [live], ())
