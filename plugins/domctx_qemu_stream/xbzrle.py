"""XBZRLE: a page as its difference to the version of it that came before (formats/qemu.md 2.4)."""

from __future__ import annotations

from typing import Final

from domctx.errors import StreamError
from domctx_qemu_stream.layout import PAGE_SIZE

LONGEST: Final = 0x3FFF
"""The largest number that two octets of seven bits hold."""


def apply(page: bytearray, encoded: bytes, offset: int) -> None:
    """Change ``page`` as ``encoded``, which stands at ``offset`` of the stream, says. Raises StreamError."""
    place, done = 0, 0
    while place < len(encoded):
        start = place
        kept, place = _number(encoded, place, offset)
        if not kept and start:
            raise _broken("a run of kept octets is empty", offset + start)
        written, place = _number(encoded, place, offset)
        if not written:
            raise _broken("a run of new octets is empty", offset + place)
        done += kept
        if place + written > len(encoded):
            raise _broken("new octets are missing", offset + place)
        if done + written > PAGE_SIZE:
            raise _broken("it goes on behind the end of the page", offset + start)
        page[done : done + written] = encoded[place : place + written]
        place, done = place + written, done + written


def _number(encoded: bytes, place: int, offset: int) -> tuple[int, int]:
    """A number of one or two octets, and the place behind it."""
    if place + 2 > len(encoded):
        raise _broken("it ends within a number", offset + place)
    low = encoded[place]
    if low < 0x80:
        return low, place + 1
    high = encoded[place + 1]
    if high >= 0x80:
        raise _broken("a number is longer than two octets", offset + place)
    return low & 0x7F | high << 7, place + 2


def _broken(why: str, offset: int) -> StreamError:
    return StreamError(f"an XBZRLE page cannot be: {why}", offset=offset)
