"""Which octets of a section are which field, as far as the section's description gives plain sizes.

QEMU's vmdesc lists a device's fields in the order in which they stand in the stream: ``{"name", "type", "size"}`` with
``array_len`` for arrays, ``index`` for an element told apart, and ``struct`` for a struct of fields of its own
(docs/devel/migration of QEMU, and what migration/vmstate.c writes). Subsections and fields without a plain size end
what is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from domctx.api import JSON
from domctx.values import frozen

MAX_SPANS: Final = 1 << 16
"""Fields that are told apart in one section or struct; what lies behind has no name."""


@frozen
class Span:
    """One field: where it begins and ends, in octets of the section's state."""

    name: str
    start: int
    stop: int


def spans(description: JSON, length: int) -> list[Span]:
    """The fields of a section of ``length`` octets, in order and without gaps, up to the first that is not plain."""
    return list(islice(_fields("", description, 0, length), MAX_SPANS))


def _fields(prefix: str, description: JSON, start: int, length: int) -> Iterator[Span]:
    fields = description.get("fields") if isinstance(description, Mapping) else None
    for field in fields if isinstance(fields, list) else ():
        size, count = _plain(field)
        if size is None or start + size * count > length:
            return
        for index in range(count if size else 0):
            name = f"{prefix}{_name(field)}" + (f"[{index}]" if count > 1 else "")
            yield from _field(name, field, start, start + size)
            start += size


def _plain(field: Any) -> tuple[int | None, int]:
    """The size of an element and the number of elements; None where the field has no plain size."""
    if not isinstance(field, Mapping) or not isinstance(field.get("name"), str):
        return None, 0
    size, count = field.get("size"), field.get("array_len", 1)
    if type(size) is not int or type(count) is not int or size < 0 or count < 1:
        return None, 0
    return size, count


def _name(field: Mapping[str, Any]) -> str:
    index = field.get("index")
    return f"{field['name']}[{index}]" if type(index) is int else str(field["name"])


def _field(name: str, field: Mapping[str, Any], start: int, stop: int) -> Iterator[Span]:
    """The fields of a struct where they fill it exactly; else the field as a whole."""
    inner = list(islice(_fields(f"{name}.", field.get("struct"), start, stop), MAX_SPANS))
    if inner and inner[-1].stop == stop:
        yield from inner
    else:
        yield Span(name, start, stop)
