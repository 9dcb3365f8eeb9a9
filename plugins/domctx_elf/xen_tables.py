"""The page tables in a Xen core hold machine frames: which pages are tables is found from the vCPUs' own.

Every table that a vCPU's CR3 leads to is found, and given as a saved stream would have it: with PFNs. A core does not
tell of tables that no vCPU uses at the time; they stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domctx.states import Memory, PageBatch
from domctx_elf.memory import CoreMemory
from domctx_memory.scattered import scattered
from domctx_x86.paging import Paging
from domctx_x86.pte import PTE_PRESENT, PTE_PSE

FRAME: Final = np.uint64(0x000F_FFFF_FFFF_F000)
SHIFT: Final = np.uint64(12)
NONE: Final = np.int64(-1)
STEP: Final = 4096
"""Tables that are read at a time."""


class Frames:
    """Machine frames to PFNs."""

    def __init__(self, pfns: NDArray[np.int64], mfns: NDArray[np.int64]) -> None:
        order = np.argsort(mfns, kind="stable")
        self._mfns, self._pfns = mfns[order], pfns[order]

    def pfn_of(self, mfns: NDArray[np.int64]) -> NDArray[np.int64]:
        """The PFN of each frame; NONE where it is not the domain's."""
        if not len(self._mfns):
            return np.full(mfns.shape, NONE)
        places = np.minimum(np.searchsorted(self._mfns, mfns), len(self._mfns) - 1)
        return np.where(self._mfns[places] == mfns, self._pfns[places], NONE)


class XenTables:
    """The page tables of one guest: ``types`` u8[N] by PFN, and their entries with PFNs for frames."""

    def __init__(self, frames: Frames, paging: Paging, pages: int) -> None:
        self._frames, self._paging = frames, paging
        self.types = np.zeros(pages, np.uint8)

    def discover(self, roots: Iterable[int], memory: Memory) -> None:
        """Find all tables below the top-level ones at the PFNs ``roots``."""
        found = np.unique(np.array(list(roots), np.int64))
        for level in range(self._paging.levels, 0, -1):
            found = found[(found >= 0) & (found < len(self.types))]
            found = found[self.types[found] == 0]
            self.types[found] = level
            if level > 1:
                parts = [found[start : start + STEP] for start in range(0, len(found), STEP)]
                found = np.unique(
                    np.concatenate([np.empty(0, np.int64), *(self._below(memory, part) for part in parts)])
                )

    def _below(self, memory: Memory, pfns: NDArray[np.int64]) -> NDArray[np.int64]:
        entries = scattered(memory, 0, pfns).octets.view("<u8")
        _, _, known = self._targets(entries, self.types[pfns])
        return np.unique(known[known >= 0])

    def _targets(
        self, entries: NDArray[np.uint64], levels: NDArray[np.uint8]
    ) -> tuple[NDArray[np.bool_], NDArray[np.uint64], NDArray[np.int64]]:
        """Which entries are present; their other bits; the PFNs that they lead to, NONE for frames of others."""
        present = (entries & np.uint64(PTE_PRESENT)) != 0
        large = ((entries & np.uint64(PTE_PSE)) != 0) & (levels > 1)[:, np.newaxis]
        low, high = self._paging.hypervisor_slots
        slots = np.arange(entries.shape[1])
        theirs = (levels == self._paging.levels)[:, np.newaxis] & ((slots >= low) & (slots < high))
        mfns = ((entries & FRAME) >> SHIFT).astype(np.int64)
        pfns = np.where(present & ~large & ~theirs, self._frames.pfn_of(mfns), NONE)
        return present, entries & ~FRAME, pfns

    def canonical(self, rows: NDArray[np.uint8], levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Tables u8[n, 4096] with PFNs; present entries to frames that are not the domain's become zero."""
        entries = np.ascontiguousarray(rows).view("<u8")
        present, flags, pfns = self._targets(entries, levels)
        canonical = flags | pfns.astype(np.uint64) << SHIFT
        return np.where(present, np.where(pfns >= 0, canonical, np.uint64(0)), entries).view(np.uint8)


class CanonicalMemory(CoreMemory):
    """The memory of a paravirtualised guest with PFNs in the page tables that were found."""

    tables: XenTables | None = None

    def _batch(self, block: int, first: int, count: int, buffer: NDArray[np.uint8]) -> PageBatch:
        batch = super()._batch(block, first, count, buffer)
        if self.tables is None:
            return batch
        pfns = first + np.flatnonzero(batch.kinds == 0)
        levels = self.tables.types[pfns]
        found = np.flatnonzero(levels)
        if len(found):
            batch.pages[found] = self.tables.canonical(batch.pages[found], levels[found])
        return batch
