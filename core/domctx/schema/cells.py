"""The codec of one field: which ``struct`` characters it takes, and how their values become the field's value.

A cell never sees a stream; a plan (``plan.py``) gives it the values that ``struct`` unpacked. Numbers are checked by
``struct`` itself; ``explain`` finds out which one it refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from domctx.schema.markers import Integer
from domctx.schema.problems import FieldError, number

if TYPE_CHECKING:
    from domctx.schema.plan import Plan


class Cell(Protocol):
    """The codec of one field of fixed size."""

    @property
    def code(self) -> str:
        """The field's part of the ``struct`` format."""

    @property
    def count(self) -> int:
        """How many values ``struct`` gives for the field."""

    def unpack(self, values: Sequence[Any]) -> Any:
        """The field's value from its ``count`` struct values. Raises FieldError."""

    def pack(self, value: Any) -> Sequence[Any]:
        """The struct values of the field's value. Raises FieldError; numbers are left to ``struct``."""

    def explain(self, value: Any) -> FieldError | None:
        """Why ``struct`` refused the value; None where it did not."""


@attrs.frozen
class IntegerCell:
    """One integer."""

    marker: Integer
    count = 1

    @property
    def code(self) -> str:
        return self.marker.code

    def unpack(self, values: Sequence[Any]) -> Any:
        return values[0]

    def pack(self, value: Any) -> Sequence[Any]:
        return (value,)

    def explain(self, value: Any) -> FieldError | None:
        marker = self.marker
        if not isinstance(value, int):
            return FieldError("not an integer", got=type(value).__name__)
        if marker.low <= value <= marker.high:
            return None
        low, high, got = (number(each, marker.octets) for each in (marker.low, marker.high, value))
        return FieldError("out of range", expected=f"{low} to {high}", got=got)


class _Unchecked:
    """Of cells whose ``pack`` checks all."""

    __slots__ = ()

    def explain(self, value: Any) -> FieldError | None:
        """Nothing: ``pack`` said it already."""
        return None


def octets_of(value: Any) -> bytes:
    """``value``, which must be ``bytes``. Raises FieldError."""
    if not isinstance(value, bytes):
        raise FieldError("not bytes", got=type(value).__name__)
    return value


@attrs.frozen
class BytesCell(_Unchecked):
    """Octets, kept as they are."""

    size: int
    count = 1

    @property
    def code(self) -> str:
        return f"{self.size}s"

    def unpack(self, values: Sequence[Any]) -> Any:
        return values[0]

    def pack(self, value: Any) -> Sequence[Any]:
        if len(octets_of(value)) != self.size:
            raise FieldError("wrong length", expected=f"{self.size} octets", got=len(value))
        return (value,)


@attrs.frozen
class ReservedCell(BytesCell):
    """Octets that must be zero."""

    def unpack(self, values: Sequence[Any]) -> Any:
        return self.pack(values[0])[0]

    def pack(self, value: Any) -> Sequence[Any]:
        super().pack(value)
        if value.strip(b"\0"):
            at = next(index for index, octet in enumerate(value) if octet)
            raise FieldError(f"reserved, and not zero at its octet {at}", expected="0x00", got=f"0x{value[at]:02x}")
        return (value,)


@attrs.frozen
class TextCell(_Unchecked):
    """Latin-1 text, padded with NULs."""

    size: int
    count = 1

    @property
    def code(self) -> str:
        return f"{self.size}s"

    def unpack(self, values: Sequence[Any]) -> Any:
        text: bytes = values[0]
        return text.rstrip(b"\0").decode("latin-1")

    def pack(self, value: Any) -> Sequence[Any]:
        if not isinstance(value, str):
            raise FieldError("not text", got=type(value).__name__)
        if len(value) > self.size:
            raise FieldError("too long", expected=f"at most {self.size} characters", got=len(value))
        if value.endswith("\0"):
            raise FieldError("ends with a NUL, which only pads")
        try:
            return (value.encode("latin-1"),)
        except UnicodeEncodeError as error:
            raise FieldError("not latin-1", got=repr(value[error.start])) from error


@attrs.frozen
class NestedCell(_Unchecked):
    """A struct, which its own plan packs in its own byte order."""

    plan: Plan
    count = 1

    @property
    def code(self) -> str:
        return f"{self.plan.size}s"

    def unpack(self, values: Sequence[Any]) -> Any:
        return self.plan.unpack(values[0])

    def pack(self, value: Any) -> Sequence[Any]:
        return (self.plan.pack(value),)


def tuple_of(value: Any, length: int) -> tuple[Any, ...]:
    """``value``, which must be a tuple of ``length``. Raises FieldError."""
    if not isinstance(value, tuple):
        raise FieldError("not a tuple", got=type(value).__name__)
    if len(value) != length:
        raise FieldError("wrong length", expected=f"{length} elements", got=len(value))
    return value


def explain_items(element: Cell, items: Sequence[Any]) -> FieldError | None:
    """Which of ``items`` ``struct`` refused, and why."""
    problems = ((index, element.explain(item)) for index, item in enumerate(items))
    return next((problem.within(f"[{index}]") for index, problem in problems if problem), None)


@attrs.frozen
class NumbersCell:
    """Integers one behind the other; ``struct`` makes the tuple."""

    element: IntegerCell
    count: int

    @property
    def code(self) -> str:
        return f"{self.count}{self.element.code}"

    def unpack(self, values: Sequence[Any]) -> Any:
        return values

    def pack(self, value: Any) -> Sequence[Any]:
        return tuple_of(value, self.count)

    def explain(self, value: Any) -> FieldError | None:
        return explain_items(self.element, value)


@attrs.frozen
class StructsCell(_Unchecked):
    """Structs one behind the other, unpacked in one go."""

    plan: Plan
    length: int
    count = 1

    @property
    def code(self) -> str:
        return f"{self.plan.size * self.length}s"

    def unpack(self, values: Sequence[Any]) -> Any:
        made: list[Any] = []
        try:
            made.extend(map(self.plan.make, self.plan.packer.iter_unpack(values[0])))
        except FieldError as error:
            raise error.within(f"[{len(made)}]") from None
        return tuple(made)

    def pack(self, value: Any) -> Sequence[Any]:
        elements = tuple_of(value, self.length)
        packed: list[bytes] = []
        try:
            packed.extend(map(self.plan.pack, elements))
        except FieldError as error:
            raise error.within(f"[{len(packed)}]") from None
        return (b"".join(packed),)


@attrs.frozen
class ElementsCell:
    """Anything else one behind the other: octets, text, arrays of arrays."""

    element: Cell
    length: int

    @property
    def code(self) -> str:
        return self.element.code * self.length

    @property
    def count(self) -> int:
        return self.element.count * self.length

    def unpack(self, values: Sequence[Any]) -> Any:
        step = self.element.count
        return tuple(self.element.unpack(values[start : start + step]) for start in range(0, len(values), step))

    def pack(self, value: Any) -> Sequence[Any]:
        packed: list[Any] = []
        for index, item in enumerate(tuple_of(value, self.length)):
            try:
                packed.extend(self.element.pack(item))
            except FieldError as error:
                raise error.within(f"[{index}]") from None
        return packed

    def explain(self, value: Any) -> FieldError | None:
        return explain_items(self.element, value)
