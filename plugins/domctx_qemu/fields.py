"""A device section decoded by its own description: arrays, structs, subsections, numbers (formats/qemu.md 1.4, 1.5).

QEMU describes each field by name, type and size, structs by their fields; what is no number is shown as octets. What
the description does not fit (QEMU's own have such places) ends the decoding, and stands as octets from there on.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

from domctx.api import JSON

SUBSECTION: Final = 0x05
REST: Final = "(octets that the description does not fit)"
MAX_VALUES: Final = 1 << 17
"""Values that are told of one section; what lies behind is octets."""

UNSIGNED: Final = ("uint8", "uint16", "uint32", "uint64", "CPU_Double_U")
SIGNED: Final = ("int8", "int16", "int32", "int64", "timer")
EQUAL: Final = " equal"
"""Ends the type of a number that must be the same on both sides."""
LITTLE: Final = " le"


class _MisfitError(Exception):
    """The description does not fit from here on."""


def decode(description: JSON, octets: bytes) -> dict[str, Any] | None:
    """The fields by name, subsections by theirs; None without a description."""
    if not isinstance(description, Mapping):
        return None
    found: dict[str, Any] = {}
    reader = _Reader(octets)
    with contextlib.suppress(_MisfitError):  # what was decoded until then is told, and the rest as octets
        reader.device(description, found)
    if reader.place < len(octets):
        found[REST] = octets[reader.place :].hex()
    return found


class _Reader:
    """A place in a section's octets, and how many values were told."""

    def __init__(self, octets: bytes) -> None:
        self.octets, self.place, self._told = octets, 0, 0

    def device(self, description: Mapping[str, Any], goal: dict[str, Any]) -> None:
        """Fields and subsections of a device or struct, into ``goal``."""
        for field in _dicts(description.get("fields")):
            self._field(field, goal)
        for part in _dicts(description.get("subsections")):
            name = self._subsection(part)
            goal[name] = {}
            self.device(part, goal[name])

    def _field(self, field: Mapping[str, Any], goal: dict[str, Any]) -> None:
        name, size = field.get("name"), field.get("size")
        count, index = field.get("array_len"), field.get("index")
        if not isinstance(name, str) or type(size) is not int or size < 0:
            raise _MisfitError
        if type(count) is int:
            if count < 0 or size * count > len(self.octets) - self.place:
                raise _MisfitError
            _list(goal, name).extend(self._value(field, size) for _ in range(count if size else 0))
        elif type(index) is int or name in goal:
            _list(goal, name).append(self._value(field, size))
        else:
            goal[name] = self._value(field, size)

    def _value(self, field: Mapping[str, Any], size: int) -> Any:
        start = self.place
        stop = start + size
        self._told += 1
        if stop > len(self.octets) or self._told > MAX_VALUES:
            raise _MisfitError
        inner = field.get("struct")
        if isinstance(inner, Mapping):
            return self._struct(inner, start, stop)
        self.place = stop
        return value_of(field.get("type"), self.octets[start:stop])

    def _struct(self, description: Mapping[str, Any], start: int, stop: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        try:
            self.device(description, found)
            if self.place != stop:
                raise _MisfitError
        except _MisfitError:
            self.place = start
            raise
        return found

    def _subsection(self, part: Mapping[str, Any]) -> str:
        """Pass over the head of a subsection: its mark, its name, its version."""
        name, version = part.get("vmsd_name"), part.get("version")
        if not isinstance(name, str) or type(version) is not int or not 0 <= version < 1 << 32 or len(name) > 255:
            raise _MisfitError
        head = bytes((SUBSECTION, len(name))) + name.encode("latin-1", "replace") + version.to_bytes(4, "big")
        if not self.octets.startswith(head, self.place):
            raise _MisfitError
        self.place += len(head)
        return name


def _list(goal: dict[str, Any], name: str) -> list[Any]:
    """The list under a name; what stood there becomes its first item."""
    found = goal.setdefault(name, [])
    if not isinstance(found, list):
        found = goal[name] = [found]
    return found


def _dicts(value: Any) -> Iterator[Mapping[str, Any]]:
    for item in value if isinstance(value, list) else ():
        if not isinstance(item, Mapping):
            raise _MisfitError
        yield item


def value_of(kind: Any, octets: bytes) -> JSON:
    """A field's value: a number where its type is one, else its octets in hexadecimal."""
    if not isinstance(kind, str) or not octets:
        return octets.hex()
    plain = kind.removesuffix(EQUAL).removesuffix(LITTLE)
    order: Any = "little" if kind.endswith(LITTLE) else "big"
    if plain == "bool" and len(octets) == 1 and octets[0] < 2:
        return bool(octets[0])
    if len(octets) <= 8 and (plain in UNSIGNED or plain in SIGNED):
        return int.from_bytes(octets, order, signed=plain in SIGNED)
    if plain == "float64" and len(octets) == 8:
        number: float = struct.unpack(">d", octets)[0]
        return number if abs(number) < float("inf") else octets.hex()
    if plain == "bitmap" and len(octets) % 8 == 0:
        return [int.from_bytes(octets[place : place + 8], "big") for place in range(0, len(octets), 8)]
    return octets.hex()
