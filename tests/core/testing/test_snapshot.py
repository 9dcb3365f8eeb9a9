"""Snapshots: what an object holds, as a value that can be compared."""

from __future__ import annotations

import io
import math
from typing import Any

import attrs
import numpy as np
import pytest

from domctx.testing import snapshot


class Slotted:
    """An object with slots, one of which is not set."""

    __slots__ = ("a", "b")

    def __init__(self, a: Any) -> None:
        self.a = a


class OneSlot:
    """An object with a single slot, given as a string."""

    __slots__ = "only"

    def __init__(self, only: Any) -> None:
        self.only = only


class Plain:
    """An object with a ``__dict__``."""

    def __init__(self, value: Any) -> None:
        self.value = value


@attrs.frozen
class Frozen:
    """An attrs object with slots."""

    value: Any


@attrs.frozen(eq=False)
class Array:
    """An attrs object that cannot be compared by itself."""

    array: Any


MAKERS = [Plain, Slotted, OneSlot, Frozen, Array, lambda value: [value], lambda value: {"key": value}]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 2),
        (1.5, "1.5"),
        (b"1", bytearray(b"1")),
        (bytearray(b"1"), bytearray(b"2")),
        (memoryview(b"1"), memoryview(b"2")),
        ([1, 2], (1, 2)),
        ({1, 2}, {1, 3}),
        ({"a": 1}, {"b": 1}),
        (np.zeros(4, "u1"), np.zeros((2, 2), "u1")),
        (np.zeros(4, "u1"), np.zeros(4, "i1")),
        (np.zeros(4, "u1"), np.ones(4, "u1")),
    ],
)
def test_what_differs_inside_shows(make: Any, a: Any, b: Any) -> None:
    """Two objects with the same insides have one snapshot, two with different ones have two."""
    assert snapshot(make(a)) == snapshot(make(a))
    assert snapshot(make(a)) != snapshot(make(b))


def test_a_snapshot_keeps_nothing_of_the_object() -> None:
    """What is changed afterwards does not change the snapshot."""
    inner: dict[str, Any] = {"list": [1, 2], "array": np.zeros(2, "u1")}
    before = snapshot(Plain(inner))
    inner["list"].append(3)
    inner["array"][0] = 1
    assert snapshot(Plain(inner)) != before


def test_objects_in_a_circle() -> None:
    """An object that holds itself has a snapshot."""
    circle = Plain(None)
    circle.value = [circle]
    assert snapshot(circle) == snapshot(circle)


def test_files_and_modules_count_by_type() -> None:
    """Open files and modules are left out but for their type."""
    assert snapshot(Plain(io.BytesIO(b"1"))) == snapshot(Plain(io.BytesIO(b"2")))
    assert snapshot(Plain(math)) == snapshot(Plain(io))
