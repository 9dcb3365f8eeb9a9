"""Bodies as JSON and back, without loss.

A layout is an object of its fields (reserved ones are left out), octets are hex strings, arrays are lists. In CBOR
values octets are ``{"hex": ...}``, floats that JSON has no word for ``{"float": "nan"}``, and dicts whose keys are not
all text, or that look like one of these three, ``{"map": [[key, value], ...]}``.
"""

from __future__ import annotations

import math
from typing import Any, Final

from domctx.schema.markers import Array, Blob, Bytes, Cbor, Nested, Reserved
from domctx.schema.plan import layout_of

_WRAPPERS: Final = frozenset({"hex", "float", "map"})


def to_json(value: Any) -> dict[str, Any]:
    """An object of a layout class as what ``json.dumps`` takes."""
    slots = layout_of(type(value)).slots
    return {
        slot.name: field_to_json(slot.marker, getattr(value, slot.name))
        for slot in slots
        if not isinstance(slot.marker, Reserved)
    }


def field_to_json(marker: Any, value: Any) -> Any:
    """The value of a field as JSON."""
    match marker:
        case Bytes() | Blob():
            return value.hex()
        case Array():
            return [field_to_json(marker.element, item) for item in value]
        case Nested():
            return to_json(value)
        case Cbor():
            return cbor_to_json(value)
        case _:
            return value


def cbor_to_json(value: Any) -> Any:
    """A plain value as JSON."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, list):
        return [cbor_to_json(item) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value) or (len(value) == 1 and not _WRAPPERS.isdisjoint(value)):
            return {"map": [[cbor_to_json(key), cbor_to_json(item)] for key, item in value.items()]}
        return {key: cbor_to_json(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value
