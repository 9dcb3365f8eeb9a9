"""The codec of one field: which ``struct`` characters it takes, and how their values become the field's value.

A cell never sees a stream; a plan (``plan.py``) gives it the values that ``struct`` unpacked. Numbers are checked by
``struct`` itself; ``explain`` finds out which one it refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from domctx.schema.markers import Integer
from domctx.schema.problems import FieldError, number
from domctx.values import frozen


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


@frozen
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


class PackedCell:
    """A cell whose ``pack`` leaves nothing for ``struct`` to refuse."""

    __slots__ = ()

    def explain(self, value: Any) -> FieldError | None:
        """Nothing: ``pack`` said it already."""
        return None


def octets_of(value: Any) -> bytes:
    """``value``, which must be ``bytes``. Raises FieldError."""
    if not isinstance(value, bytes):
        raise FieldError("not bytes", got=type(value).__name__)
    return value


@frozen
class BytesCell(PackedCell):
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


@frozen
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


@frozen
class TextCell(PackedCell):
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
