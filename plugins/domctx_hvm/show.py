"""An HVM save image as a JSON value."""

from __future__ import annotations

from typing import Any

from domctx_hvm.fields import fields
from domctx_hvm.image import Entry, split
from domctx_hvm.types import type_name


def shown(octets: bytes) -> dict[str, Any]:
    """The entries in their order, by name; ``trailing`` only where octets stand behind END."""
    image = split(octets)
    found: dict[str, Any] = {"entries": [shown_entry(entry) for entry in image.entries]}
    return found | ({"trailing": image.trailing.hex()} if image.trailing else {})


def shown_entry(entry: Entry) -> dict[str, Any]:
    """One entry: its type, instance and length, and its fields; its octets where its fields are not known."""
    head = {"type": type_name(entry.typecode), "instance": entry.instance, "length": len(entry.octets)}
    found = fields(entry)
    return head | ({"octets": entry.octets.hex()} if found is None else {"fields": found})
