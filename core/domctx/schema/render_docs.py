"""A layout as a table for the documentation."""

from __future__ import annotations

from typing import Any

from domctx.schema.describe import Field, fields, is_big_endian
from domctx.schema.markers import Integer
from domctx.schema.plan import layout_of


def table(cls: type[Any]) -> str:
    """A Markdown table of a layout: offset and size in octets, field, type, unit and meaning of each field.

    A type that is itself a layout has a table of its own.
    """
    order = layout_of(cls).byte_order
    lines = ["| offset | size | field | type | unit | meaning |", "|---|---|---|---|---|---|"]
    lines += [_row(field, order) for field in fields(cls)]
    return "\n".join([*lines, ""])


def _row(field: Field, byte_order: str) -> str:
    size = "to the end" if field.size is None else str(field.size)
    kind = f"{field.type}, big-endian" if is_big_endian(field.marker, byte_order) else field.type
    cells = (str(field.offset), size, f"`{field.name}`", kind, field.unit, _meaning(field))
    return "| " + " | ".join(_escape(cell) for cell in cells) + " |"


def _meaning(field: Field) -> str:
    parts = [field.doc]
    if isinstance(field.marker, Integer) and field.marker.names:
        parts.append(", ".join(f"{value} {name}" for value, name in field.marker.names.items()))
    if field.since > 1:
        parts.append(f"since version {field.since}")
    return "; ".join(parts)


def _escape(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").split())
