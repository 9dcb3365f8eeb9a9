"""Finds the pages of one repeated octet in many pages at once.

A few words of every page are looked at, and only the pages that pass are read in full: on the memory of real guests
this takes less time than reading it once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLES: Final = 4
"""Words that are looked at besides the first one, in each page."""
REPEAT: Final = np.uint64(0x0101_0101_0101_0101)
LOW_OCTET: Final = np.uint64(0xFF)


def uniform(pages: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which of ``pages`` u8[n, page size] are one octet repeated; the page size is a multiple of 8.

    Pages need not stand one directly behind the other, nor at places that fit words: none is copied for that.
    """
    words = (pages if pages.strides[1] == 1 else np.ascontiguousarray(pages)).view(np.uint64)
    first = words[:, 0]
    found: NDArray[np.bool_] = first == (first & LOW_OCTET) * REPEAT
    for position in _positions(words.shape[1]):
        found &= words[:, position] == first
    _confirm(words, found)
    return found


def _positions(words: int) -> list[int]:
    """Words to look at: spread over the page, off the beginnings of its quarters, where headers look alike."""
    spread = [part * words // SAMPLES + 2 * part + 1 for part in range(1, SAMPLES)]
    return [*spread, words - 1]


def _confirm(words: NDArray[np.uint64], found: NDArray[np.bool_]) -> None:
    """Read the pages in ``found`` to their ends, and strike out those that only looked the part."""
    candidates = np.flatnonzero(found)
    if not len(candidates):
        return
    low, high = int(candidates[0]), int(candidates[-1]) + 1
    rows = words[low:high] if high - low == len(candidates) else words[candidates]
    first = rows[:, 0]
    good = np.bitwise_or.reduce(rows, axis=1) == first
    filled = np.flatnonzero(good & (first != 0))
    if len(filled):
        good[filled] = np.bitwise_and.reduce(rows[filled], axis=1) == first[filled]
    found[candidates] = good
