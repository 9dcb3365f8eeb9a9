"""Calls of handlers are told, with the time that they took, where it is asked for."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest

from domctx.api import Machine, Transformed
from domctx.context import Operation
from domctx.hookspecs import hookimpl
from domctx.registry import Registry
from domctx.save import save
from domctx.sinks import BytesSink
from domctx.testing import StatesDomain
from domctx.trace import name_of, traced
from helpers.counters import COUNTER, COUNTERS, CounterBody, Counters
from helpers.plugins import manager_of, plugin


def test_nobody_is_told() -> None:
    """Where nobody is told the handler itself is called."""
    handler: Any = save
    assert traced(handler, "x", None) is handler


def test_told_how_it_ended() -> None:
    """A call is told when it has ended, be it by an exception."""
    told: list[str] = []
    traced(lambda number: None, "save x", told.append)(1)
    with pytest.raises(ZeroDivisionError):
        traced(lambda number: 1 // number, "load x", told.append)(0)
    assert re.fullmatch(r"trace: save x took \d+\.\d{3} ms", told[0])
    assert re.fullmatch(r"trace: load x raised \d+\.\d{3} ms", told[1])


def test_names() -> None:
    """A handler is named by module and function, and an object without these by its class."""
    assert name_of(save) == "domctx.save.save"
    assert name_of(functools.partial(save)).endswith(".partial")


@hookimpl(wrapper=True)
def domctx_save(record_type: Any) -> Any:
    """Watches."""
    inner = yield
    return lambda *arguments: inner(*arguments)


@hookimpl(wrapper=True)
def change(record_type: Any) -> Any:
    """Changes nothing, and says that it does."""
    inner = yield
    return Transformed("acme/x", inner)


def test_every_layer_is_told() -> None:
    """The declared handler, each wrapper and each transform around it are told, the innermost first."""
    manager = manager_of(
        {
            "a": plugin(record_types=[COUNTER]),
            "b": plugin(domctx_save=domctx_save),
            "c": plugin(domctx_save=change, domctx_load=change),
        }
    )
    told: list[str] = []
    manager.trace = told.append
    registry = Registry.resolve(manager)
    with Operation() as operation:
        states = {COUNTERS: Counters({0: CounterBody(1, 1)})}
        save(StatesDomain(Machine("m", "i386"), states), BytesSink(), registry, operation)
    assert [line.rpartition(" took ")[0] for line in told] == [
        "trace: save acme/counter: helpers.counters.save",
        "trace: save acme/counter: b:main",
        "trace: save acme/counter: c:main",
    ]
