"""How far a run of equal records goes: a few looked at one by one, many unpacked at once.

Without numpy, whose import takes longer than to look at all records of a guest of 4 GiB.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from typing import Final

from domctx_qemu_stream.layout import PAGE_SIZE

WORD: Final = struct.Struct(">Q")
FEW: Final = 12
"""Records that are looked at one by one before the others are looked at many at a time."""
FIRST_STEP: Final = 64
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
    place = at
    for count in range(most if most < FEW else FEW):
        if WORD.unpack_from(view, place)[0] != word:
            return count
        if fill is not None and view[place + 8] != fill:
            return count
        place += size
        word += PAGE_SIZE
    word -= min(FEW, most) * PAGE_SIZE
    return min(FEW, most) if most <= FEW else _many(view, at, word, size, fill, most)


def _many(view: memoryview, at: int, word: int, size: int, fill: int | None, most: int) -> int:
    count, step = FEW, FIRST_STEP
    while count < most:
        step = min(step, most - count)
        place, first = at + count * size, word + count * PAGE_SIZE
        words = _words(size, step).unpack_from(view, place)
        wanted = tuple(range(first, first + step * PAGE_SIZE, PAGE_SIZE))
        good = step if words == wanted else _alike(words, wanted)
        if fill is not None:
            fills = view[place + 8 : place + good * size : size].tobytes()
            good = len(fills) - len(fills.lstrip(bytes((fill,))))
        count += good
        if good < step:
            return count
        step = min(2 * step, LAST_STEP)
    return count


@functools.lru_cache(maxsize=16)
def _words(size: int, step: int) -> struct.Struct:
    """Reads the words of so many records of ``size`` octets."""
    return struct.Struct(">" + f"Q{size - WORD.size}x" * step)


def _alike(words: Sequence[int], wanted: Sequence[int]) -> int:
    """How many words are as they should be, before the first that is not."""
    return next(index for index, (word, other) in enumerate(zip(words, wanted, strict=True)) if word != other)
