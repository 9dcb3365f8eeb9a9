"""What an object holds, all the way down, as a value that can be compared: to see that saving changes nothing."""

from __future__ import annotations

import io
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type)


def snapshot(value: Any) -> Any:
    """``value`` and everything in it as nested tuples; arrays by dtype, shape and octets.

    Objects are what their attributes are. Open files, locks and the like are left out but for their type: a state
    that keeps octets in a file brings a snapshot of its own.
    """
    return _freeze(value, set())


def _freeze(value: Any, above: set[int]) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, bytearray | memoryview):
        return type(value).__name__, bytes(value)
    if isinstance(value, np.ndarray):
        return "array", value.dtype.str, value.shape, value.tobytes()
    if id(value) in above:
        return "cycle", type(value).__name__
    inner = above | {id(value)}
    return type(value).__name__, tuple(_freeze(part, inner) for part in _parts(value))


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, io.IOBase | types.ModuleType):
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield item
    elif isinstance(value, set | frozenset):
        yield from sorted(value, key=repr)
    elif isinstance(value, list | tuple):
        yield from value
    yield from _attributes(value)


def _attributes(value: Any) -> Iterator[Any]:
    """Name and value of each attribute that the object itself has, in ``__dict__`` or in a slot."""
    for name, item in sorted(getattr(value, "__dict__", {}).items()):
        yield name
        yield item
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                yield name
                yield getattr(value, name)
