"""Two lists of device sections: by name and instance, then by field where the sections describe themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domctx.api import Difference
from domctx.schema import differences, octet_differences
from domctx.states import DeviceSection
from domctx.values import frozen
from domctx.wire import record_name
from domctx_qemu.known import description_of
from domctx_qemu.layout import Description
from domctx_qemu.spans import Span, spans

Found = tuple[str, Any, Any]
"""A path, and what each side has there."""

Key = tuple[str, int, int]
"""Name, instance, and which of the sections of that name and instance."""


@frozen
class Place:
    """A section and its position in the stream."""

    position: int
    section: DeviceSection


def places(sections: Sequence[DeviceSection]) -> dict[Key, Place]:
    """The sections by name and instance, in stream order."""
    seen: Counter[tuple[str, int]] = Counter()
    found: dict[Key, Place] = {}
    for position, section in enumerate(sections):
        name = section.name, section.instance
        found[(*name, seen[name])] = Place(position, section)
        seen[name] += 1
    return found


def compare(a: Sequence[DeviceSection], b: Sequence[DeviceSection]) -> Iterator[Difference]:
    """Where they differ: ``DEVICE[3] timer[0].cpu_ticks_offset``; the record is that of ``a`` where it has one."""
    left, right = places(a), places(b)
    for key in left | right:
        one, other = left.get(key), right.get(key)
        record = record_name("DEVICE", (one or right[key]).position)
        for path, first, second in _places(one, other):
            yield Difference(record, f"{key[0]}[{key[1]}]{path}", first, second)
    yield from _order([key for key in left if key in right], [key for key in right if key in left], left, right)


def _places(a: Place | None, b: Place | None) -> Iterator[Found]:
    if a is None or b is None:
        yield "", "present" if a else None, "present" if b else None
    else:
        yield from _sections(a.section, b.section)


def _order(
    a: Sequence[Key], b: Sequence[Key], left: Mapping[Key, Place], right: Mapping[Key, Place]
) -> Iterator[Difference]:
    """The sections that both have, where they come in another order."""
    ranks = {key: rank for rank, key in enumerate(b)}
    for rank, key in enumerate(a):
        if ranks[key] != rank:
            one, other = left[key].position, right[key].position
            yield Difference(record_name("DEVICE", one), f"{key[0]}[{key[1]}].position", one, other)


def _sections(a: DeviceSection, b: DeviceSection) -> Iterator[Found]:
    if a.version != b.version:
        yield ".version", a.version, b.version
    for path, one, other in _octets(a, b):
        yield f".{path}", one, other
    for path, one, other in differences(Description(a.description), Description(b.description)):
        yield f".description{path.removeprefix('value')}", one, other


def _octets(a: DeviceSection, b: DeviceSection) -> Iterator[Found]:
    if a.octets == b.octets:
        return
    fields: list[Span] = []
    first, second = description_of(a), description_of(b)
    if len(a.octets) == len(b.octets) and first is not None and second is not None:
        fields = spans(first, len(a.octets))
        if fields != spans(second, len(b.octets)):
            fields = []
    for field in fields:
        one, other = a.octets[field.start : field.stop], b.octets[field.start : field.stop]
        if one != other:
            yield field.name, one.hex(), other.hex()
    known = bytes(fields[-1].stop if fields else 0)
    yield from octet_differences("octets", known + a.octets[len(known) :], known + b.octets[len(known) :])
