"""An HVM save image as a JSON value."""

from __future__ import annotations

from typing import Any, Final

from domctx_hvm.fields import fields
from domctx_hvm.image import Entry, split
from domctx_hvm.types import type_name, type_of

UNITS: Final = 2
"""Units of one kind that a machine has at most: there are two PICs."""


def shown(octets: bytes) -> dict[str, Any]:
    """The entries in their order, by name; ``trailing`` only where octets stand behind END.

    An entry that repeats one of its type and instance, and one of a unit that no machine has, is told as octets: a
    hostile image could make its JSON many times as long as itself with them.
    """
    image, seen = split(octets), set()
    entries = []
    for entry in image.entries:
        name = entry.typecode, entry.instance
        entries.append(_raw(entry) if name in seen or _no_unit(entry) else shown_entry(entry))
        seen.add(name)
    return {"entries": entries} | ({"trailing": image.trailing.hex()} if image.trailing else {})


def shown_entry(entry: Entry) -> dict[str, Any]:
    """One entry: its type, instance and length, and its fields; its octets where its fields are not known."""
    found = fields(entry)
    return _raw(entry) if found is None else _head(entry) | {"fields": found}


def _raw(entry: Entry) -> dict[str, Any]:
    return _head(entry) | {"octets": entry.octets.hex()}


def _head(entry: Entry) -> dict[str, Any]:
    return {"type": type_name(entry.typecode), "instance": entry.instance, "length": len(entry.octets)}


def _no_unit(entry: Entry) -> bool:
    kind = type_of(entry.typecode)
    return kind is not None and not kind.per_vcpu and entry.instance >= UNITS
