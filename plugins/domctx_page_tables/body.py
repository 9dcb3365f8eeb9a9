"""Between the octets of PAGE_TABLES and ``states.PageTablesContext``; everything bounded before it is used."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, TypeVar

from domctx.errors import RecordError
from domctx.states import PageTablesContext, SpecialMapping, Suspension
from domctx_page_tables.bounds import check_context, check_size, known_paging
from domctx_page_tables.layout import PageTablesBody
from domctx_page_tables.runs import pack_frames, pack_types, unpack_frames, unpack_types

T = TypeVar("T")

KEYS = ("types", "frame_list", "special", "suspension")


def to_body(context: PageTablesContext) -> PageTablesBody:
    """The body of a context. Raises RecordError for one that breaks a bound, UnsupportedError for unknown paging."""
    check_context(context)
    special = sorted(context.special, key=lambda mapping: (mapping.pfn, mapping.index))
    tail = {
        "types": pack_types(context.types),
        "frame_list": pack_frames(context.frame_list),
        "special": [[item.pfn, item.index, item.flags, item.target] for item in special],
        "suspension": None if context.suspension is None else _suspension_tail(context.suspension),
    }
    return PageTablesBody(width=context.width, levels=context.levels, pfns=len(context.types), tail=tail)


def from_body(body: PageTablesBody) -> PageTablesContext:
    """The context that a body holds. Raises RecordError and UnsupportedError as ``to_body``."""
    paging = known_paging(body.width, body.levels)
    check_size(paging, body.pfns)
    if type(body.tail) is not dict or sorted(map(str, body.tail)) != sorted(KEYS):
        raise RecordError("the tail has the wrong keys", expected=", ".join(sorted(KEYS)), got=repr(body.tail)[:80])
    types, frames = (_typed(body.tail[key], bytes, key) for key in KEYS[:2])
    context = PageTablesContext(
        width=body.width,
        levels=body.levels,
        types=unpack_types(types, body.pfns),
        frame_list=unpack_frames(frames, paging.p2m_frames(body.pfns)),
        special=_special(body.tail["special"]),
        suspension=_suspension(body.tail["suspension"]),
    )
    check_context(context)
    return context


def _typed(value: Any, wanted: type[T], what: str) -> T:
    if type(value) is not wanted:
        raise RecordError(f"{what} has the wrong type", expected=wanted.__name__, got=type(value).__name__)
    return value


def _row(value: Any, types: tuple[type, ...], what: str) -> list[Any]:
    row = _typed(value, list, what)
    if tuple(map(type, row)) != types:
        expected = f"[{', '.join(item.__name__ for item in types)}]"
        raise RecordError(f"{what} has the wrong shape", expected=expected, got=repr(row)[:80])
    return row


def _special(value: Any) -> tuple[SpecialMapping, ...]:
    rows = [
        _row(row, (int, int, int, str), f"special[{position}]")
        for position, row in enumerate(_typed(value, list, "special"))
    ]
    _ascending([tuple(row[:2]) for row in rows], "special")
    return tuple(SpecialMapping(*row) for row in rows)


def _suspension(value: Any) -> Suspension | None:
    if value is None:
        return None
    if type(value) is not dict or set(value) != {"registers", "displaced"}:
        raise RecordError("suspension has the wrong keys", expected="displaced, registers", got=repr(value)[:80])
    rows = [
        _row(row, (int, bytes), f"suspension.displaced[{position}]")
        for position, row in enumerate(_typed(value["displaced"], list, "suspension.displaced"))
    ]
    _ascending([tuple(row[:1]) for row in rows], "suspension.displaced")
    registers: Mapping[Any, Any] = _typed(value["registers"], dict, "suspension.registers")
    for name, number in registers.items():
        _typed(name, str, "suspension.registers: a name")
        _typed(number, int, f"suspension.registers[{name!r}]")
    return Suspension(registers=dict(registers), displaced=dict(rows))


def _ascending(keys: list[tuple[int, ...]], what: str) -> None:
    if any(a >= b for a, b in itertools.pairwise(keys)):
        raise RecordError(f"{what}: not in ascending order, or twice the same")


def _suspension_tail(suspension: Suspension) -> dict[str, Any]:
    displaced = sorted(suspension.displaced.items())
    return {"registers": dict(suspension.registers), "displaced": [[pfn, octets] for pfn, octets in displaced]}
