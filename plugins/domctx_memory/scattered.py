"""Pages from all over a block, many at once, out of any memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from domctx.states import Memory, ScatteredPages
from domctx_memory.pages import check_range, whole


def scattered(memory: Memory, block: int, pages: NDArray[np.int64]) -> ScatteredPages:
    """``pages`` i64[n] of ``block``, in any order, each as often as it is asked for.

    As ``ScatteredMemory.scattered`` reads them; of memory that is none run by run, ascending: a frame of an image is
    unpacked once for all of its pages. Raises DomainError outside the block.
    """
    size = 1 << check_range(memory.blocks, block, 0, 0).page_shift
    own: Callable[[int, NDArray[np.int64]], ScatteredPages] | None = getattr(memory, "scattered", None)
    return own(block, pages) if own is not None else _by_runs(memory, block, pages, size)


def _by_runs(memory: Memory, block: int, pages: NDArray[np.int64], size: int) -> ScatteredPages:
    found = ScatteredPages(np.empty(len(pages), np.uint8), np.empty((len(pages), size), np.uint8))
    order = np.argsort(pages, kind="stable")
    cuts = np.flatnonzero(np.diff(pages[order]) != 1) + 1
    for rows in np.split(order, cuts) if len(order) else ():
        batch = memory.read(block, int(pages[rows[0]]), len(rows))
        found.kinds[rows], found.octets[rows] = batch.kinds, whole(batch, size)
    return found
