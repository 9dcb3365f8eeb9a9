"""Tests of domctx.context: what handlers and formats are lent."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from domctx.api import Machine, Option
from domctx.context import HandlerContext, OpenContext, Operation, running
from domctx.errors import DomainError
from helpers.toy_images import toy
from helpers.toys import BULK_CODE, DIAL, NOTES, Dial

MACHINE = Machine("m", "i386")


def test_an_operation_tells_notes_once() -> None:
    """And keeps them; without a listener they are only kept."""
    told: list[str] = []
    operation = Operation(note=told.append)
    for message in ("a", "b", "a"):
        operation.note(message)
    assert told == operation.notes == ["a", "b"]
    silent = Operation()
    silent.note("a")
    assert silent.notes == ["a"]


def test_progress_goes_to_who_listens() -> None:
    """To nobody at first; to the last who asked for it."""
    first, second = list[int](), list[int]()
    operation = Operation()
    operation.progress(1)
    operation.report_to(first.append)
    operation.progress(2)
    operation.report_to(second.append)
    operation.progress(3)
    assert (first, second) == ([2], [3])


def test_an_operation_ends_its_threads() -> None:
    """When its block ends."""
    with Operation(["a=1"], force=True, allow_newer=True) as operation:
        assert list(operation.pool.map_ordered(abs, [-1])) == [1]
    assert operation.pool._executor is None
    assert (operation.given, operation.force, operation.allow_newer) == (("a=1",), True, True)


def test_running_makes_an_operation_where_there_is_none() -> None:
    """One that is given is its owner's to close."""
    given = Operation()
    with running(given) as found:
        assert found is given
        list(found.pool.map_ordered(abs, [1]))
    assert given.pool._executor is not None
    given.close()
    with running(None) as own:
        list(own.pool.map_ordered(abs, [1]))
    assert own.pool._executor is None


def context(**more: Any) -> HandlerContext:
    """A context over one dial."""
    states = {DIAL: Dial()}
    return HandlerContext(Operation(), MACHINE, states.get, **more)


def test_a_handler_finds_other_states() -> None:
    """None where there is none; require refuses."""
    lent = context()
    assert lent.state(DIAL) == Dial()
    assert lent.require(DIAL) == Dial()
    assert lent.state(NOTES) is None
    with pytest.raises(DomainError, match="there is no state 'notes' in it"):
        lent.require(NOTES)


def test_a_handler_gets_the_options_of_its_type() -> None:
    """And of no other: asking for one that is not declared is a bug of the plugin's."""
    kind = toy(BULK_CODE)
    whole = context(values={"hold": "here"}, dry_run=True)
    assert whole.of(kind).option("hold") == "here"
    assert whole.of(kind).dry_run
    assert context().of(kind).option("hold") is None
    with pytest.raises(KeyError):
        whole.of(attrs.evolve(kind, options=())).option("hold")
    with pytest.raises(KeyError):
        whole.option("hold")


def test_a_handler_reaches_the_operation() -> None:
    """Notes, progress and threads."""
    told = list[int]()
    operation = Operation(progress=told.append)
    lent = HandlerContext(operation, MACHINE, lambda key: None)
    lent.note("n")
    lent.progress(5)
    assert list(lent.map_ordered(abs, [-3])) == [3]
    assert (operation.notes, told, lent.machine) == (["n"], [5], MACHINE)
    operation.close()


def test_a_format_gets_its_options() -> None:
    """And notes, progress and whether to force."""
    told = list[int]()
    operation = Operation(progress=told.append, force=True)
    lent = OpenContext(operation, [Option("a", int, "a", 1), Option("b", int, "b")], {"b": 2})
    lent.note("n")
    lent.progress(7)
    assert (lent.option("a"), lent.option("b"), lent.force) == (1, 2, True)
    assert (operation.notes, told) == (["n"], [7])
    with pytest.raises(KeyError):
        lent.option("c")
