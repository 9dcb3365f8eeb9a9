"""From the slots of a layout to its plans: one cell for each field, one ``struct`` format for each version."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs

from domctx.schema.array_cells import ElementsCell, NumbersCell, StructsCell
from domctx.schema.cells import BytesCell, Cell, IntegerCell, ReservedCell, TextCell
from domctx.schema.markers import Array, Blob, Bytes, Cbor, Integer, Nested, Reserved, Text
from domctx.schema.plan import NestedCell, Plan, Slot, Step, layout_of

ORDERS: Final = {"little": "<", "big": ">"}
"""The ``struct`` character of each byte order; without native alignment, so nothing is padded."""


def versions_of(slots: Sequence[Slot]) -> tuple[int, ...]:
    """The body versions that brought a field to the layout or to a struct in it, ascending; the first is 1."""
    return tuple(sorted({1}.union(*(_versions(slot.marker) for slot in slots))))


def _versions(marker: Any) -> set[int]:
    match marker:
        case Array():
            return {marker.since} | _versions(marker.element)
        case Nested():
            return {marker.since, *layout_of(marker.layout).versions}
        case _:
            return {marker.since}


def compile_plans(cls: type[Any], slots: Sequence[Slot], versions: Sequence[int], byte_order: str) -> tuple[Plan, ...]:
    """The plans of a layout class, one for each of ``versions``."""
    return tuple(_plan(cls, slots, version, ORDERS[byte_order]) for version in versions)


def _plan(cls: type[Any], slots: Sequence[Slot], version: int, order: str) -> Plan:
    present = [slot for slot in slots if slot.since <= version]
    tail = next((slot for slot in present if isinstance(slot.marker, Blob | Cbor)), None)
    steps = tuple(_steps([slot for slot in present if slot is not tail], version, order))
    return Plan(
        cls=cls,
        packer=struct.Struct(order + "".join(step.cell.code for step in steps)),
        steps=steps,
        tail=tail,
        absent=tuple(slot for slot in slots if slot.since > version),
        direct=len(steps) == len(slots) and _is_direct(cls, steps),
    )


def _is_direct(cls: type[Any], steps: Sequence[Step]) -> bool:
    """Whether the values that ``struct`` gives for ``steps`` are just the arguments that attrs only stores."""
    taken_as_they_are = all(type(step.cell) in (IntegerCell, BytesCell) for step in steps)
    stored = all(
        each.init and not each.kw_only and each.validator is None and each.converter is None
        for each in attrs.fields(cls)
    )
    hooks = ("__attrs_pre_init__", "__attrs_post_init__", "__attrs_init__")
    return taken_as_they_are and stored and not any(hasattr(cls, hook) for hook in hooks)


def _steps(slots: Sequence[Slot], version: int, order: str) -> Iterator[Step]:
    start = offset = 0
    for slot in slots:
        cell = cell_of(slot.marker, version)
        size = struct.calcsize(order + cell.code)
        yield Step(slot.name, cell, start, start + cell.count, offset, size)
        start += cell.count
        offset += size


def cell_of(marker: Any, version: int) -> Cell:
    """The cell of a marker of fixed size, in bodies of ``version``."""
    match marker:
        case Integer():
            return IntegerCell(marker)
        case Text():
            return TextCell(marker.count)
        case Reserved():
            return ReservedCell(marker.count)
        case Bytes():
            return BytesCell(marker.count)
        case Nested():
            return NestedCell(layout_of(marker.layout).plan(version))
        case _:
            return _array_cell(marker, version)


def _array_cell(marker: Array, version: int) -> Cell:
    element = cell_of(marker.element, version)
    match element:
        case IntegerCell():
            return NumbersCell(element, marker.count)
        case NestedCell():
            return StructsCell(element.plan, marker.count)
        case _:
            return ElementsCell(element, marker.count)
