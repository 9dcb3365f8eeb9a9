"""Buffers of the size of one record's pages, used again and again: fresh memory costs as much as filling it."""

from __future__ import annotations

import collections
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domctx_memory.layout import RECORD_OCTETS

ALIGN: Final = 4096
"""Buffers begin at multiples of it: the kernel copies pages sooner to places that lie as they do."""


class Buffers:
    """A free list of buffers of one size in octets; as many exist as were ever out at the same time.

    Threads may share it.
    """

    def __init__(self, size: int = RECORD_OCTETS) -> None:
        self._size = size
        self._free: collections.deque[NDArray[np.uint8]] = collections.deque()

    def take(self) -> NDArray[np.uint8]:
        """A buffer u8[size]; what it holds is left over from its last use."""
        try:
            return self._free.pop()
        except IndexError:
            return _aligned(self._size)

    def give(self, buffer: NDArray[np.uint8]) -> None:
        """Take a buffer back; nobody looks at it any longer."""
        self._free.append(buffer)


def _aligned(size: int) -> NDArray[np.uint8]:
    room = np.empty(size + ALIGN, np.uint8)
    address: int = room.__array_interface__["data"][0]
    start = -address % ALIGN
    return room[start : start + size]
