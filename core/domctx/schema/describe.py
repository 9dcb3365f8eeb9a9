"""The fields of a layout as data: names, types, offsets and sizes; and the numpy dtype of a fixed layout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from domctx.schema.markers import Array, Bytes, Integer, Marker, Nested, Reserved, Text
from domctx.schema.plan import Slot, layout_of
from domctx.values import frozen

if TYPE_CHECKING:
    import numpy as np


@frozen
class Field:
    """One field of a layout: ``offset`` and ``size`` in octets; the size of a tail is None."""

    name: str
    type: str
    """``u32``, ``s8``, ``bytes[16]``, ``text[16]``, ``reserved[3]``, ``TrapInfo``, ``u32[4]``, ``blob``, ``cbor``."""
    offset: int
    size: int | None
    since: int
    unit: str
    doc: str
    marker: Marker


def type_name(marker: Any) -> str:
    """The name of a marker's type, with the element type and count of an array."""
    match marker:
        case Integer():
            return type(marker).__name__.lower()
        case Array():
            return f"{type_name(marker.element)}[{marker.count}]"
        case Nested():
            return marker.layout.__name__
        case Bytes() | Text() | Reserved():
            return f"{type(marker).__name__.lower()}[{marker.count}]"
        case _:
            return type(marker).__name__.lower()


def unit_of(marker: Any) -> str:
    """The unit of a number, or of the numbers in an array."""
    element = element_of(marker)
    return element.unit if isinstance(element, Integer) else ""


def is_big_endian(marker: Any, byte_order: str) -> bool:
    """Whether it shows in the octets of a field, which is no struct, that its class is big-endian."""
    element = element_of(marker)
    return byte_order == "big" and isinstance(element, Integer) and element.octets > 1


def fields(cls: type[Any], version: int | None = None) -> tuple[Field, ...]:
    """The fields of a layout in order, as they stand in bodies of ``version`` (None: the newest)."""
    layout = layout_of(cls)
    plan = layout.plan(version)
    places: dict[str, tuple[int, int | None]] = {step.name: (step.offset, step.size) for step in plan.steps}
    if plan.tail:
        places[plan.tail.name] = (plan.size, None)
    return tuple(_field(slot, *places[slot.name]) for slot in layout.slots if slot.name in places)


def _field(slot: Slot, offset: int, size: int | None) -> Field:
    marker = slot.marker
    return Field(slot.name, type_name(marker), offset, size, slot.since, unit_of(marker), marker.doc, marker)


def size_of(cls: type[Any], version: int | None = None) -> int:
    """Octets of the fixed part of a layout; the whole where it has no tail."""
    return layout_of(cls).plan(version).size


def offset_of(cls: type[Any], name: str, version: int | None = None) -> int:
    """Where a field begins, in octets. Raises TypeError where the layout has no such field in that version."""
    for field in fields(cls, version):
        if field.name == name:
            return field.offset
    raise TypeError(f"{cls.__name__} has no field {name!r}")


def dtype(cls: type[Any]) -> np.dtype[Any]:
    """The numpy dtype of a layout of fixed size, in its byte order and without holes; octets are ``u1`` arrays.

    Raises TypeError for a layout with a tail.
    """
    import numpy as np

    layout = layout_of(cls)
    if layout.plan().tail:
        raise TypeError(f"{cls.__name__} ends with a field of any length: it has no dtype")
    order = "<" if layout.byte_order == "little" else ">"
    return np.dtype([(slot.name, _format(slot.marker, order)) for slot in layout.slots])


def _format(marker: Any, order: str) -> Any:
    match marker:
        case Integer():
            return f"{order}{'i' if marker.signed else 'u'}{marker.octets}"
        case Text():
            return f"S{marker.count}"
        case Nested():
            return dtype(marker.layout)
        case Array():
            return (_format(marker.element, order), (marker.count,))
        case _:
            return ("u1", (marker.count,))


def nested_layouts(classes: Iterable[type[Any]]) -> tuple[type[Any], ...]:
    """The layout classes with all that stand in them, each once and after those in it."""
    found: dict[type[Any], None] = {}
    for cls in classes:
        inner = (element_of(slot.marker) for slot in layout_of(cls).slots)
        found |= dict.fromkeys(nested_layouts(marker.layout for marker in inner if isinstance(marker, Nested)))
        found[cls] = None
    return tuple(found)


def element_of(marker: Any) -> Any:
    """What an array, or an array of arrays, is made of; any other marker itself."""
    return element_of(marker.element) if isinstance(marker, Array) else marker
