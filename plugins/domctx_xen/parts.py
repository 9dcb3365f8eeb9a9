"""FOREIGN_HEAD and FOREIGN_TAIL of a stream: every record that no state holds, and the places of those that states do.

A part is a record as it stands, or the place of a record that states hold. Of the latter the octets are what the record
has beyond what the states make of it (reserved fields and padding that are not zero): the exclusive or of both; none
where there is nothing beyond, as should be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from domctx.files import StreamFile
from domctx.states import ForeignPart
from domctx.values import frozen
from domctx_foreign import OpenedForeign
from domctx_xen.bodies import BY_VCPU, Place, body_of, record_of
from domctx_xen.content import Content, is_held
from domctx_xen.layout import (
    CHECKPOINT,
    CHECKPOINT_END,
    END,
    LIBXC_NAMES,
    LIBXL_END,
    SCHEME,
    libxc_name,
    libxl_name,
)
from domctx_xen.record import Element, Key
from domctx_xen.walk import Walk

XL_HEADER: Final = "xl header"
LIBXL_HEADER: Final = "libxl header"
LIBXC_HEADERS: Final = "libxc headers"
LIBXC: Final = "libxc "
LIBXL: Final = "libxl "
PLACE: Final = "place of libxc "
BEHIND: Final = "behind the stream"
PIECE: Final = 1 << 20
"""Octets of one part; a longer record is cut into several."""
_PLACED: Final = re.compile(re.escape(PLACE) + r"([A-Z0-9_]+)(?:\[([0-9]{1,10})(?:\+([0-9]{1,4}))?\])?", re.ASCII)
_TYPES: Final = {name: code for code, name in LIBXC_NAMES.items()}


def place_name(place: Place) -> str:
    """How the part is called that marks a place: ``[1]`` for a vCPU, ``[0+5]`` for some of the parameters."""
    name = f"{PLACE}{libxc_name(place.type)}"
    if place.count is not None:
        return f"{name}[{place.number}+{place.count}]"
    return f"{name}[{place.number}]" if place.type in BY_VCPU else name


def place_named(name: str) -> Place | None:
    """The place that a part of that name marks; None where it marks none."""
    found = _PLACED.fullmatch(name)
    code = _TYPES.get(found[1]) if found is not None else None
    if found is None or code is None:
        return None
    return Place(code, int(found[2] or 0), int(found[3]) if found[3] else None)


@frozen
class Stretch:
    """A part that stands in the file as it is."""

    name: str
    start: int
    stop: int


def _opened(file: StreamFile, parts: Iterable[ForeignPart | Stretch]) -> OpenedForeign:
    """The parts; what stands in the file is read when it is asked for."""
    known = tuple(parts)

    def part(place: int) -> ForeignPart:
        found = known[place]
        if isinstance(found, ForeignPart):
            return found
        return ForeignPart(SCHEME, found.name, file.take(found.start, found.stop - found.start, found.name))

    return OpenedForeign(file.name, len(known), part)


def head_parts(walk: Walk, states: Content) -> OpenedForeign:
    """What stands before the first page."""
    return _opened(walk.file, _head(walk, states))


def tail_parts(walk: Walk, states: Content) -> OpenedForeign:
    """What stands behind the last page, and behind the stream."""
    return _opened(walk.file, _tail(walk, states))


def _head(walk: Walk, states: Content) -> Iterator[ForeignPart | Stretch]:
    heads, libxc = walk.heads, walk.headers
    if heads.xl is not None:
        yield ForeignPart(SCHEME, XL_HEADER, heads.xl.octets)
    if heads.libxl is not None:
        yield ForeignPart(SCHEME, LIBXL_HEADER, heads.libxl.octets)
    elements = list(walk.epochs.before.values())
    yield from _elements(walk, (each for each in elements if each.libxl), states)
    yield ForeignPart(SCHEME, LIBXC_HEADERS, libxc.octets)
    yield from _elements(walk, (each for each in elements if not each.libxl), states)


def _tail(walk: Walk, states: Content) -> Iterator[ForeignPart | Stretch]:
    yield from _elements(walk, _plain(walk), states)
    if walk.lost is None:
        yield from _stretches(BEHIND, walk.end, walk.file.size)


def _plain(walk: Walk) -> list[Element]:
    """The records behind memory as they would stand in a plain stream: no checkpoint, and each layer's END last."""
    if not walk.checkpoints:
        return list(walk.epochs.behind.values())
    found: dict[Key, Element] = {}
    for element in walk.epochs.behind.values():
        if element.type == (CHECKPOINT_END if element.libxl else CHECKPOINT):
            element = attrs.evolve(element, type=LIBXL_END if element.libxl else END)
        place = -1 - len(found) if element.type not in (LIBXL_END, END) else 0
        found.setdefault((element.libxl, element.type, place), element)
    ends = {False: END, True: LIBXL_END}
    return sorted(found.values(), key=lambda each: (each.libxl, each.type == ends[each.libxl]))


def _elements(walk: Walk, elements: Iterable[Element], states: Content) -> Iterator[ForeignPart | Stretch]:
    for element in elements:
        if is_held(element):
            yield _placed(walk, element, states)
        elif element.length:
            name = f"{LIBXL}{libxl_name(element.type)}" if element.libxl else f"{LIBXC}{libxc_name(element.type)}"
            yield from _stretches(name, element.offset, element.end)
        else:
            yield _empty(element)


def _empty(element: Element) -> ForeignPart:
    """A record without a body; END is made of a checkpoint's."""
    name = f"{LIBXL}{libxl_name(element.type)}" if element.libxl else f"{LIBXC}{libxc_name(element.type)}"
    return ForeignPart(SCHEME, name, record_of(element.type, b""))


def _stretches(name: str, start: int, stop: int) -> Iterator[Stretch]:
    for low in range(start, stop, PIECE):
        yield Stretch(name, low, min(low + PIECE, stop))


def _placed(walk: Walk, element: Element, states: Content) -> ForeignPart:
    return ForeignPart(SCHEME, place_name(place_of(walk, element, states)), beyond(walk, element, states))


def place_of(walk: Walk, element: Element, states: Content) -> Place:
    """The place of a record that states hold."""
    if element.type in BY_VCPU:
        return Place(element.type, int.from_bytes(walk.file.take(element.body, 4, element.name), "little"))
    if len(states.params) > 1 and element in states.params:
        return Place(element.type, *states.params[element])
    return Place(element.type)


def beyond(walk: Walk, element: Element, states: Content) -> bytes:
    """What a record that states hold has beyond them."""
    made = record_of(element.type, body_of(place_of(walk, element, states), states) or b"")
    if len(made) != element.end - element.offset:
        return b""  # frames of the P2M that came in several records go out in one
    found = walk.file.take(element.offset, element.end - element.offset, element.name)
    return different(found, made)


def different(found: bytes, made: bytes) -> bytes:
    """The exclusive or of two records of one length; nothing where they are the same."""
    if found == made:
        return b""
    number = int.from_bytes(found, "little") ^ int.from_bytes(made, "little")
    return number.to_bytes(len(found), "little")
