"""Two bodies of one layout, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from domctx.schema import cbor
from domctx.schema.codec import encode
from domctx.schema.json_form import cbor_to_json, field_to_json
from domctx.schema.markers import Array, Blob, Bytes, Cbor, Nested
from domctx.schema.plan import layout_of
from domctx.schema.problems import join, step

Found = tuple[str, Any, Any]
"""The path of a field, and what each side has there as JSON; None where it has nothing."""

_GAP: Final = 4
"""Runs of octets that differ, with fewer equal octets than this between them, are told as one."""
_SIMPLE: Final = frozenset({int, str, bytes, bool, type(None)})


def differences(a: Any, b: Any) -> Iterator[Found]:
    """Where two objects of one layout class differ; nothing exactly where they encode to the same octets.

    Paths go down to single numbers (``traps[3].cs``), CBOR values (``config.blocks[0]``) and runs of octets
    (``fpu[0x10:0x14]``). Raises TypeError for objects of two classes, RecordError as ``encode``.
    """
    if type(a) is not type(b):
        raise TypeError(f"{type(a).__name__} and {type(b).__name__} are not one layout")
    if encode(a) == encode(b):
        return
    for slot in layout_of(type(a)).slots:
        yield from _field(slot.name, slot.marker, getattr(a, slot.name), getattr(b, slot.name))


def _field(path: str, marker: Any, a: Any, b: Any) -> Iterator[Found]:
    match marker:
        case Cbor():
            yield from plain_differences(path, a, b)
        case Nested():
            for inner, left, right in differences(a, b):
                yield join(path, inner), left, right
        case Bytes() | Blob():
            yield from octet_differences(path, a, b)
        case Array():
            for index, (left, right) in enumerate(zip(a, b, strict=True)):
                yield from _field(f"{path}[{index}]", marker.element, left, right)
        case _ if a != b:
            yield path, field_to_json(marker, a), field_to_json(marker, b)


def octet_differences(path: str, a: bytes, b: bytes) -> Iterator[Found]:
    """The runs of octets in which ``a`` and ``b`` differ, as hex; last, what the longer one has alone."""
    if a == b:
        return
    import numpy as np

    both = min(len(a), len(b))
    unequal = np.frombuffer(a, np.uint8, both) != np.frombuffer(b, np.uint8, both)
    places = np.flatnonzero(unequal)
    for run in np.split(places, np.flatnonzero(np.diff(places) > _GAP) + 1):
        if run.size:
            first, last = int(run[0]), int(run[-1]) + 1
            yield f"{path}[0x{first:x}:0x{last:x}]", a[first:last].hex(), b[first:last].hex()
    if len(a) != len(b):
        place = f"{path}[0x{both:x}:0x{max(len(a), len(b)):x}]"
        yield place, a[both:].hex() or None, b[both:].hex() or None


def plain_differences(path: str, a: Any, b: Any) -> Iterator[Found]:
    """Where two plain values, which stand at ``path``, differ: what CBOR takes, or JSON."""
    if _same(a, b):
        return
    kinds = (type(a), type(b))
    if kinds == (bytes, bytes):
        yield from octet_differences(path, a, b)
    elif kinds == (list, list):
        yield from _items(path, dict(enumerate(a)), dict(enumerate(b)))
    elif kinds == (dict, dict):
        yield from _items(path, a, b)
    else:
        yield path, cbor_to_json(a), cbor_to_json(b)


def _items(path: str, a: dict[Any, Any], b: dict[Any, Any]) -> Iterator[Found]:
    for key in a | b:
        place = join(path, step(key))
        if key in a and key in b:
            yield from plain_differences(place, a[key], b[key])
        else:
            yield place, cbor_to_json(a.get(key)), cbor_to_json(b.get(key))


def _same(a: Any, b: Any) -> bool:
    """Whether two plain values encode alike: 1, 1.0 and True do not, though Python calls them equal."""
    if type(a) is type(b) and type(a) in _SIMPLE:
        return bool(a == b)
    return cbor.dumps(a) == cbor.dumps(b)
