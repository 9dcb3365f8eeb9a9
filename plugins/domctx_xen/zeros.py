"""What must be zero in a stream: reserved fields, reserved bits and padding. A receiver does not look; a check does."""

from __future__ import annotations

from domctx.errors import StreamError
from domctx_xen.content import Content, is_held
from domctx_xen.heads import Libxc
from domctx_xen.layout import BIG_ENDIAN, IMAGE_HEADER, LEGACY
from domctx_xen.parts import beyond
from domctx_xen.record import Element
from domctx_xen.walk import Walk


def check_zeros(walk: Walk, states: Content) -> None:
    """Raise StreamError, naming the first octet, where something that must be zero is not."""
    _check_headers(walk.headers)
    if walk.heads.libxl is not None and walk.heads.libxl.options & ~(BIG_ENDIAN | LEGACY):
        raise _not_zero("the options of libxl", walk.heads.libxl.offset + 12)
    for element in (*walk.epochs.before.values(), *walk.epochs.behind.values()):
        _check_record(walk, element, states)
    for pages in (walk.pages, walk.compared):
        if pages.reserved is not None:
            raise _not_zero("a PAGE_DATA record", pages.reserved)


def _check_headers(libxc: Libxc) -> None:
    if libxc.image.options & ~BIG_ENDIAN:
        raise _not_zero("the options of libxc", libxc.offset + 16)
    if any(libxc.image.reserved):
        raise _not_zero("the image header", libxc.offset + 18)
    if libxc.domain.reserved:
        raise _not_zero("the domain header", libxc.offset + IMAGE_HEADER + 6)


def _check_record(walk: Walk, element: Element, states: Content) -> None:
    if is_held(element):
        octets = beyond(walk, element, states)
        place = next((place for place, octet in enumerate(octets) if octet), None)
        if place is not None:
            raise _not_zero(element.name, element.offset + place)
        return
    stop = element.body + element.length
    padding = walk.file.take(stop, element.end - stop, "padding")
    if any(padding):
        raise _not_zero(f"the padding of {element.name}", stop)


def _not_zero(what: str, offset: int) -> StreamError:
    return StreamError(f"{what}: octets that must be zero are not", offset=offset)
