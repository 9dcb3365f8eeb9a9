"""PAGE_TABLES for people: as JSON, and two of them compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs
import numpy as np

from domctx.api import JSON, Difference
from domctx.states import PageTablesContext, SpecialMapping, Suspension
from domctx_page_tables.layout import NAME
from domctx_page_tables.rules import type_name
from domctx_page_tables.runs import frame_runs, run_starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_SHOWN: Final = 4096
"""Runs of types that ``show`` lists; of what follows it tells the number."""

_RECORD: Final = f"{NAME}[0]"


def describe(context: PageTablesContext) -> JSON:
    """The context as JSON: types as runs and as counts, the frame list as runs, displaced pages by their PFNs."""
    starts = run_starts(context.types)
    ends = np.append(starts[1:], len(context.types))
    numbers, counts = np.unique(context.types, return_counts=True)
    return {
        "width": context.width,
        "levels": context.levels,
        "pfns": len(context.types),
        "type_counts": {type_name(kind): int(count) for kind, count in zip(numbers, counts, strict=True)},
        "type_runs": [
            {"pfns": _span(int(first), int(end)), "type": type_name(context.types[first])}
            for first, end in zip(starts[:MAX_SHOWN], ends, strict=False)
        ],
        "type_runs_not_listed": max(0, len(starts) - MAX_SHOWN),
        "frame_list": [_span(first, first + count) for first, count in frame_runs(context.frame_list)],
        "special": [_special(item) for item in context.special],
        "suspension": None if context.suspension is None else _suspension(context.suspension),
    }


def compare(a: PageTablesContext | None, b: PageTablesContext | None) -> Iterator[Difference]:
    """Every place in which two contexts differ; runs of pages whose types differ alike come as one."""
    if a is None or b is None:
        if a is not b:
            yield Difference(_RECORD, "", None if a is None else "present", None if b is None else "present")
        return
    yield from _fields("", {"width": a.width, "levels": a.levels}, {"width": b.width, "levels": b.levels})
    yield from _types(a.types, b.types)
    yield from _fields("frame_list", _positions(a.frame_list), _positions(b.frame_list))
    yield from _fields("special", _by_word(a.special), _by_word(b.special))
    yield from _suspensions(a.suspension, b.suspension)


def _types(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Iterator[Difference]:
    if len(a) != len(b):
        yield Difference(_RECORD, "pfns", len(a), len(b))
    common = min(len(a), len(b))
    pairs = np.where(a[:common] != b[:common], a[:common].astype(np.uint16) << 8 | b[:common], np.uint16(0xFFFF))
    starts = run_starts(pairs)
    for first, end in zip(starts.tolist(), [*starts[1:].tolist(), common], strict=False):
        if pairs[first] != 0xFFFF:
            yield Difference(_RECORD, f"types[{_span(first, end)}]", type_name(a[first]), type_name(b[first]))


def _suspensions(a: Suspension | None, b: Suspension | None) -> Iterator[Difference]:
    if a is None or b is None:
        yield from _fields("", {"suspension": _suspension(a)}, {"suspension": _suspension(b)})
        return
    yield from _fields("suspension.registers.", _hexadecimal(a.registers), _hexadecimal(b.registers))
    yield from _fields("suspension.displaced", _pages(a.displaced), _pages(b.displaced))


def _fields(prefix: str, a: Mapping[str, JSON], b: Mapping[str, JSON]) -> Iterator[Difference]:
    for name in dict.fromkeys([*a, *b]):
        if a.get(name) != b.get(name):
            yield Difference(_RECORD, f"{prefix}{name}", a.get(name), b.get(name))


def _span(first: int, end: int) -> str:
    return f"0x{first:x}" if end == first + 1 else f"0x{first:x}..0x{end - 1:x}"


def _positions(frames: Sequence[int]) -> dict[str, JSON]:
    return {f"[{position}]": f"0x{pfn:08x}" for position, pfn in enumerate(frames)}


def _special(mapping: SpecialMapping) -> dict[str, Any]:
    return {**attrs.asdict(mapping), "pfn": f"0x{mapping.pfn:x}", "flags": f"0x{mapping.flags:03x}"}


def _by_word(special: Sequence[SpecialMapping]) -> dict[str, JSON]:
    ordered = sorted(special, key=lambda item: (item.pfn, item.index))
    return {f"[0x{item.pfn:x}, {item.index}]": f"{item.target} | 0x{item.flags:03x}" for item in ordered}


def _suspension(suspension: Suspension | None) -> JSON:
    if suspension is None:
        return None
    displaced = [f"0x{pfn:x}" for pfn in sorted(suspension.displaced)]
    return {"registers": _hexadecimal(suspension.registers), "displaced": displaced}


def _hexadecimal(registers: Mapping[str, int]) -> dict[str, JSON]:
    return {name: f"0x{value:08x}" for name, value in sorted(registers.items())}


def _pages(displaced: Mapping[int, bytes]) -> dict[str, JSON]:
    import hashlib

    return {
        f"[0x{pfn:x}]": f"sha256 {hashlib.sha256(octets).hexdigest()}" if octets else "zeros"
        for pfn, octets in sorted(displaced.items())
    }
