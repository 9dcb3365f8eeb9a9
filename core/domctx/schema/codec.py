"""Bodies to octets and back: ``encode``, ``decode`` and the sizes of a layout."""

from __future__ import annotations

from typing import Any, TypeVar

from domctx.errors import RecordError, UnsupportedError
from domctx.schema import cbor
from domctx.schema.cells import octets_of
from domctx.schema.markers import Cbor
from domctx.schema.plan import Slot, layout_of
from domctx.schema.problems import FieldError, number

T = TypeVar("T")
Buffer = bytes | bytearray | memoryview


def encode(value: Any) -> bytes:
    """The octets of an object of a layout class, in the newest version.

    Raises RecordError where a field holds what it cannot; the message names the path of the field.
    """
    plan = layout_of(type(value)).plan()
    try:
        fixed = plan.pack(value)
        return fixed + _pack_tail(plan.tail, value) if plan.tail else fixed
    except FieldError as error:
        raise error.refusal(type(value).__name__) from error


def decode(cls: type[T], octets: Buffer, version: int | None = None) -> T:
    """The object of a layout class that a body holds; validators and converters do not run.

    ``version`` is that of the body (None: the newest); fields that came later take their defaults. Raises RecordError
    for a body that is too short or too long, for reserved octets that are not zero and for bad CBOR.
    """
    if version is not None and version < 1:
        raise UnsupportedError(f"{cls.__name__}: a body of version {version}", expected="1 or more")
    plan = layout_of(cls).plan(version)
    view = memoryview(octets)
    if len(view) < plan.size or (len(view) > plan.size and plan.tail is None):
        at_least = "at least " if plan.tail else ""
        message = f"{cls.__name__}: the body is too {'short' if len(view) < plan.size else 'long'}"
        raise RecordError(message, expected=f"{at_least}{number(plan.size, 4)} octets", got=number(len(view), 4))
    try:
        made = plan.unpack(view[: plan.size])
        if plan.tail:
            _unpack_tail(plan.tail, made, bytes(view[plan.size :]))
    except FieldError as error:
        raise error.refusal(cls.__name__) from error
    return made  # type: ignore[no-any-return]  # the plan is that of cls


def dump_cbor(value: Any, name: str) -> bytes:
    """The canonical CBOR of a plain value outside a layout. Raises RecordError, which calls the value ``name``."""
    try:
        return cbor.dumps(value)
    except FieldError as error:
        raise error.refusal(name) from error


def load_cbor(octets: Buffer, name: str) -> Any:
    """The plain value that canonical CBOR outside a layout holds. Raises RecordError, which calls it ``name``."""
    try:
        return cbor.loads(bytes(octets))
    except FieldError as error:
        raise error.refusal(name) from error


def _pack_tail(tail: Slot, value: Any) -> bytes:
    item = getattr(value, tail.name)
    try:
        return cbor.dumps(item) if isinstance(tail.marker, Cbor) else octets_of(item)
    except FieldError as error:
        raise error.within(tail.name) from None


def _unpack_tail(tail: Slot, made: Any, octets: bytes) -> None:
    try:
        item = cbor.loads(octets) if isinstance(tail.marker, Cbor) else octets
    except FieldError as error:
        raise error.within(tail.name) from error.__cause__
    object.__setattr__(made, tail.name, item)
