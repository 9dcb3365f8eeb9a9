"""How far a run of equal records goes: a few looked at one by one, many at once.

Without numpy, whose import takes longer than to look at all records of a guest of 4 GiB.
"""

from __future__ import annotations

import functools
import struct
from typing import Final

from domctx_qemu_stream.layout import PAGE_SIZE

WORD: Final = struct.Struct(">Q")
WORDS: Final = 1 << 64
FEW: Final = 6
"""Records that are looked at one by one before the others are looked at many at a time."""
FIRST_STEP: Final = 32
LAST_STEP: Final = 1 << 12
FILL_RECORD: Final = 9
"""Octets of a record of a filled page of the same block: word and octet."""


def follow(view: memoryview, at: int, word: int, size: int) -> int:
    """How many records of ``size`` octets stand in ``view`` from ``at`` on whose words are ``word`` and up, by page.

    Of records of filled pages, which have 9 octets, the octet is that of the record before, at ``at - 1``.
    """
    most = (len(view) - at) // size
    if most and WORD.unpack_from(view, at)[0] != word:
        return 0  # as in a guest whose pages are of all kinds
    fill = view[at - 1] if size == FILL_RECORD else None
    place, first = at, word
    for count in range(most if most < FEW else FEW):
        if WORD.unpack_from(view, place)[0] != word:
            return count
        if fill is not None and view[place + 8] != fill:
            return count
        place += size
        word += PAGE_SIZE
    if most <= FEW:
        return most
    most = min(most, -((first - WORDS) // PAGE_SIZE))
    return _many(view, at, first if fill is None else first << 8 | fill, size, most)


def _many(view: memoryview, at: int, first: int, size: int, most: int) -> int:
    """The same of up to ``most`` records, of which ``FEW`` were looked at; ``first`` is what the first is as a number.

    That is its word, or where the record is a filled page's its word and octet.
    """
    width, step = (FILL_RECORD, PAGE_SIZE << 8) if size == FILL_RECORD else (WORD.size, PAGE_SIZE)
    count, together = FEW, FIRST_STEP
    while count < most:
        together = min(together, most - count)
        place = at + count * size
        octets = view[place : place + together * size]
        if size != FILL_RECORD:
            octets = octets.cast("Q")[:: size // WORD.size]
        good = _alike(octets.tobytes(), width, first + count * step, step, together)
        count += good
        if good < together:
            break
        together = min(2 * together, LAST_STEP)
    return count


def _alike(octets: bytes, width: int, first: int, step: int, count: int) -> int:
    """How many of ``count`` numbers of ``width`` octets are ``first``, ``first + step`` and so on, before one is not.

    All are one number, whose digits they are, and so are all that they should be: no number is looked at by itself.
    """
    ones, places = _digits(width)
    spare = 8 * width * (LAST_STEP - count)
    wanted = first * (ones >> spare) + step * (places >> spare)
    different = (int.from_bytes(octets, "big") ^ wanted).bit_length()
    return count - -(-different // (8 * width))


@functools.cache
def _digits(width: int) -> tuple[int, int]:
    """Numbers of ``LAST_STEP`` digits of ``width`` octets: each digit is 1; each digit is its place, from 0 on."""
    digits = range(LAST_STEP)
    return (
        int.from_bytes((1).to_bytes(width, "big") * LAST_STEP, "big"),
        int.from_bytes(b"".join([place.to_bytes(width, "big") for place in digits]), "big"),
    )
