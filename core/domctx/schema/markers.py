"""The markers that declare what a field of a layout is: ``x: Annotated[int, U32("meaning", unit="octets")]``.

Each marker says in ``doc`` what the field means, in ``unit`` what it counts, and in ``since`` the record version that
brought it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from domctx.values import frozen


class Marker:
    """What all markers are."""

    __slots__ = ()
    doc: str
    """What the field means."""
    since: int
    """The record version that brought the field."""


def _names(names: Mapping[int, str] | type[enum.Enum] | None) -> Mapping[int, str]:
    if names is None:
        return {}
    if isinstance(names, Mapping):
        return dict(names)
    return {member.value: member.name for member in names}


@frozen
class Integer(Marker):
    """An integer in the byte order of its class; ``names`` (a mapping or an enum class) names values for ``show``."""

    octets: ClassVar[int]
    signed: ClassVar[bool] = False
    code: ClassVar[str]
    """The character of the ``struct`` module."""

    doc: str
    unit: str = attrs.field(default="", kw_only=True)
    since: int = attrs.field(default=1, kw_only=True)
    names: Mapping[int, str] = attrs.field(default=None, kw_only=True, converter=_names)

    @property
    def low(self) -> int:
        """The lowest value that fits."""
        return -(1 << 8 * self.octets - 1) if self.signed else 0

    @property
    def high(self) -> int:
        """The highest value that fits."""
        return (1 << 8 * self.octets - self.signed) - 1


class U8(Integer):
    """An unsigned integer of one octet."""

    octets, code = 1, "B"


class U16(Integer):
    """An unsigned integer of two octets."""

    octets, code = 2, "H"


class U32(Integer):
    """An unsigned integer of four octets."""

    octets, code = 4, "I"


class U64(Integer):
    """An unsigned integer of eight octets."""

    octets, code = 8, "Q"


class S8(Integer):
    """A signed integer of one octet."""

    octets, code, signed = 1, "b", True


class S16(Integer):
    """A signed integer of two octets."""

    octets, code, signed = 2, "h", True


class S32(Integer):
    """A signed integer of four octets."""

    octets, code, signed = 4, "i", True


class S64(Integer):
    """A signed integer of eight octets."""

    octets, code, signed = 8, "q", True


@frozen
class Bytes(Marker):
    """``count`` octets, kept as they are: ``bytes``."""

    count: int
    doc: str
    since: int = attrs.field(default=1, kw_only=True)


@frozen
class Text(Marker):
    """Text in ``count`` octets of latin-1, padded with NULs: ``str`` without the padding."""

    count: int
    doc: str
    since: int = attrs.field(default=1, kw_only=True)


@frozen
class Reserved(Marker):
    """``count`` octets that must be zero: ``bytes``, with ``attrs.field(default=bytes(count), init=False)``.

    ``init=False`` (or ``kw_only=True``) lets fields without a default follow.
    """

    count: int
    doc: str = "must be zero"
    since: int = attrs.field(default=1, kw_only=True)


def _element(element: Any) -> Any:
    if isinstance(element, type):
        return element("") if issubclass(element, Integer) else Nested(element, "")
    return element


@frozen
class Array(Marker):
    """``count`` elements one behind the other: a ``tuple``.

    ``element`` is a marker (``U32("a frame")``, or the bare class ``U32``), or a layout class of fixed size.
    """

    element: Any = attrs.field(converter=_element)
    """A marker; a layout class becomes ``Nested``."""
    count: int
    doc: str
    since: int = attrs.field(default=1, kw_only=True)


@frozen
class Nested(Marker):
    """A struct within the struct, in its own byte order; ``layout`` is a layout class of fixed size."""

    layout: type[Any]
    doc: str
    since: int = attrs.field(default=1, kw_only=True)


@frozen
class Blob(Marker):
    """All octets up to the end of the body: ``bytes``. Comes last."""

    doc: str
    since: int = attrs.field(default=1, kw_only=True)


@frozen
class Cbor(Marker):
    """One item of canonical CBOR up to the end of the body: dict, list, str, bytes, int, float, bool or None.

    Comes last. A hostile body can take some 64 times its length in memory (empty lists): give such a type a
    ``max_body`` that fits, and pack what is long into octets.
    """

    doc: str
    since: int = attrs.field(default=1, kw_only=True)
