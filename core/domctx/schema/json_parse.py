"""JSON back to bodies: the inverse of ``to_json``, for what people and programs write."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import attrs

from domctx.schema.codec import encode
from domctx.schema.markers import Array, Blob, Bytes, Cbor, Nested, Reserved
from domctx.schema.plan import layout_of
from domctx.schema.problems import FieldError, step, within

T = TypeVar("T")
_FLOATS: Final = ("nan", "inf", "-inf")


def from_json(cls: type[T], value: Any) -> T:
    """The object of a layout class that ``to_json`` told. Fields that have a default may be left out.

    Validators and converters run. Raises RecordError, naming the path, for whatever ``encode`` would refuse too.
    """
    try:
        made: T = _struct(cls, value)
    except FieldError as error:
        raise error.refusal(cls.__name__) from error
    encode(made)
    return made


def _struct(cls: type[Any], value: Any) -> Any:
    members = _typed(value, dict, "an object")
    slots = {slot.name: slot for slot in layout_of(cls).slots if not isinstance(slot.marker, Reserved)}
    unknown = [step(name) for name in members if name not in slots]
    if unknown:
        raise FieldError(f"has no field {unknown[0]}", expected=", ".join(slots))
    given: dict[str, Any] = {}
    for name, slot in slots.items():
        with within(name):
            if name in members:
                given[slot.attribute.alias or name] = _field(slot.marker, members[name])
            elif slot.attribute.default is attrs.NOTHING:
                raise FieldError("is missing")
    try:
        return cls(**given)
    except (ValueError, TypeError) as error:
        raise FieldError(f"refused by {cls.__name__}: {error}") from error


def _typed(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise FieldError("not what it should be", expected=name, got=type(value).__name__)
    return value


def _field(marker: Any, value: Any) -> Any:
    match marker:
        case Bytes() | Blob():
            return _octets(value)
        case Array():
            return tuple(_items(marker.element, value))
        case Nested():
            return _struct(marker.layout, value)
        case Cbor():
            return _plain(value)
        case _:
            return value


def _items(element: Any, value: Any) -> list[Any]:
    made: list[Any] = []
    for index, item in enumerate(_typed(value, list, "a list")):
        with within(step(index)):
            made.append(_field(element, item))
    return made


def _octets(value: Any) -> bytes:
    try:
        return bytes.fromhex(_typed(value, str, "octets in hex"))
    except ValueError as error:
        raise FieldError("not hex", got=repr(value[:20])) from error


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return _items(Cbor(""), value)
    if not isinstance(value, dict):
        return value
    match value:
        case {"hex": inner} if len(value) == 1:
            return _octets(inner)
        case {"float": inner} if len(value) == 1:
            return _float(inner)
        case {"map": pairs} if len(value) == 1:
            return _map(pairs)
    made: dict[str, Any] = {}
    for key, item in value.items():
        with within(step(key)):
            made[key] = _plain(item)
    return made


def _float(value: Any) -> float:
    if value not in _FLOATS:
        raise FieldError("not a float", expected=", ".join(_FLOATS), got=repr(value))
    return float(value)


def _map(pairs: Any) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for pair in _typed(pairs, list, "a list of [key, value]"):
        if len(_typed(pair, list, "[key, value]")) != 2:
            raise FieldError("not what it should be", expected="[key, value]", got=f"a list of {len(pair)}")
        key = _plain(pair[0])
        if isinstance(key, list | dict) or key in made:
            raise FieldError("not a key, or there twice", got=step(key))
        with within(step(key)):
            made[key] = _plain(pair[1])
    return made
