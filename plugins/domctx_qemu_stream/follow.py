"""How far a run of equal records goes: a few looked at one by one, many at once through a strided view."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from domctx_qemu_stream.layout import PAGE_SIZE

WORD: Final = struct.Struct(">Q")
FEW: Final = 12
"""Records that are looked at one by one before the others are looked at many at a time."""
FIRST_STEP: Final = 64
LAST_STEP: Final = 1 << 15
FILL_RECORD: Final = 9
"""Octets of a record of a filled page of the same block: word and octet."""


def follow(view: memoryview, at: int, word: int, size: int) -> int:
    """How many records of ``size`` octets stand in ``view`` from ``at`` on whose words are ``word`` and up, by page.

    Of records of filled pages, which have 9 octets, the octet is that of the record before, at ``at - 1``.
    """
    fill = view[at - 1] if size == FILL_RECORD else None
    most = (len(view) - at) // size
    for count in range(min(FEW, most)):
        place = at + count * size
        if WORD.unpack_from(view, place)[0] != word + count * PAGE_SIZE:
            return count
        if fill is not None and view[place + 8] != fill:
            return count
    return min(FEW, most) if most <= FEW else _many(view, at, word, size, fill, most)


def _many(view: memoryview, at: int, word: int, size: int, fill: int | None, most: int) -> int:
    count, step = FEW, FIRST_STEP
    while count < most:
        step = min(step, most - count)
        place = at + count * size
        words = np.ndarray((step,), ">u8", view, place, (size,))
        first = word + count * PAGE_SIZE & 0xFFFF_FFFF_FFFF_FFFF
        good = words == np.uint64(first) + np.arange(step, dtype=np.uint64) * np.uint64(PAGE_SIZE)
        if fill is not None:
            good &= np.ndarray((step,), np.uint8, view, place + 8, (size,)) == fill
        if not good.all():
            return count + int(good.argmin())
        count += step
        step = min(2 * step, LAST_STEP)
    return count
