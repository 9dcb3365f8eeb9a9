"""Bodies as plain text: one line for each field, ``name  value  unit``, in aligned columns.

Numbers are in fixed-width hex, unless they are signed or their unit counts something. Equal elements of an array that
stand together take one line. Text comes quoted, with everything escaped that a terminal might act on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from domctx.schema.markers import Array, Blob, Bytes, Cbor, Integer, Nested, Reserved
from domctx.schema.plan import layout_of
from domctx.schema.problems import join, number, step

Row = tuple[str, str, str]
"""Name, value and unit."""

_IN_HEX: Final = re.compile(r"\b(address(es)?|frame|[pmg]fns?|cr\d|offset|selector|flags|mask)\b", re.IGNORECASE)
"""The units whose numbers are read in hex; a number without a unit is, too."""
_LINE: Final = 32
"""Octets on a line."""


def show(value: Any, *, octets: int = 512) -> list[str]:
    """The lines of an object of a layout class; of a field of bytes at most the first ``octets``."""
    rows = list(_struct("", value, octets))
    names = max((len(name) for name, _, unit in rows), default=0)
    texts = max((len(text) for _, text, unit in rows if unit), default=0)
    return [f"{name:{names}}  {text:{texts if unit else 0}}  {unit}".rstrip() for name, text, unit in rows]


def _struct(path: str, value: Any, octets: int) -> Iterator[Row]:
    for slot in layout_of(type(value)).slots:
        if not isinstance(slot.marker, Reserved):
            yield from _field(join(path, slot.name), slot.marker, getattr(value, slot.name), octets)


def _field(path: str, marker: Any, value: Any, octets: int) -> Iterator[Row]:
    match marker:
        case Integer():
            yield path, integer_text(marker, value), marker.unit
        case Bytes() | Blob():
            yield from _octets(path, value, octets)
        case Array():
            yield from _array(path, marker.element, value, octets)
        case Nested():
            yield from _struct(path, value, octets)
        case Cbor():
            yield from _plain(path, value)
        case _:
            yield path, repr(value), ""


def integer_text(marker: Integer, value: int) -> str:
    """A number in hex or decimal as its unit asks, and its name where the marker has one."""
    in_hex = not marker.signed and (not marker.unit or _IN_HEX.search(marker.unit))
    text = number(value, marker.octets) if in_hex else str(value)
    return f"{text} {marker.names[value]}" if value in marker.names else text


def _array(path: str, element: Any, items: Sequence[Any], octets: int) -> Iterator[Row]:
    first = 0
    for item, equal in groupby(items):
        last = first + sum(1 for _ in equal)
        place = f"[{first}]" if last == first + 1 else f"[{first}:{last}]"
        yield from _field(path + place, element, item, octets)
        first = last


def _octets(path: str, value: bytes, octets: int) -> Iterator[Row]:
    if not value.strip(b"\0"):
        yield path, f"{len(value)} octets, all zero" if value else "empty", ""
        return
    shown = value[:octets]
    lines = [shown[start : start + _LINE] for start in range(0, len(shown), _LINE)]
    if len(value) <= _LINE:
        yield path, value.hex(" ", 4), ""
        return
    first = 0
    for line, equal in groupby(lines):
        last = first + sum(map(len, equal))
        yield f"{path}[0x{first:04x}:0x{last:04x}]", line.hex(" ", 4), "" if last - first == len(line) else "repeated"
        first = last
    if len(shown) < len(value):
        yield f"{path}[0x{first:04x}:0x{len(value):04x}]", f"{len(value) - first} octets more", ""


def _plain(path: str, value: Any) -> Iterator[Row]:
    if isinstance(value, dict | list) and value:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _plain(join(path, step(key)), item)
    elif isinstance(value, bytes):
        yield path, value.hex(" ", 4) or "empty", ""
    else:
        yield path, repr(value), ""
