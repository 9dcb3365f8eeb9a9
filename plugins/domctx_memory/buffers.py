"""Buffers of the size of one record's pages, used again and again: fresh memory costs as much as filling it."""

from __future__ import annotations

import collections
import mmap

import numpy as np
from numpy.typing import NDArray

from domctx_memory.layout import RECORD_OCTETS


class Buffers:
    """A free list of buffers of one size in octets; as many exist as were ever out at the same time.

    Threads may share it. Each buffer is a mapping of its own: it begins where a page does, which the kernel copies to
    sooner, and goes back to the system whichever thread made it (malloc keeps what was large in the arena of each).
    """

    def __init__(self, size: int = RECORD_OCTETS) -> None:
        self._size = size
        self._free: collections.deque[NDArray[np.uint8]] = collections.deque()

    def take(self) -> NDArray[np.uint8]:
        """A buffer u8[size]; what it holds is left over from its last use."""
        try:
            return self._free.pop()
        except IndexError:
            return np.frombuffer(mmap.mmap(-1, self._size), np.uint8)

    def give(self, buffer: NDArray[np.uint8]) -> None:
        """Take a buffer back; nobody looks at it any longer."""
        self._free.append(buffer)
