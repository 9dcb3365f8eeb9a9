"""Xen's own entries of top-level page tables, as its idle table has them; of two levels slots 1008 to 1023.

The linear page table maps the directory itself and the per-domain area the domain's own table; no guest writes them,
and no saved state holds them.
Source: xen/include/asm-i386/config.h and xen/common/memory.c (alloc_l2_table) at commit 8babea8308; formats/xen.md 4.5.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from domctx_sim.arrays import Words
from domctx_x86 import (
    PAGE_SHIFT,
    PTE_ACCESSED,
    PTE_DIRTY,
    PTE_PRESENT,
    PTE_RW,
    Paging,
)

SLOTS: Final = 16
"""Slots of a table that Xen fills: 1008 to 1023 of two levels, 256 to 271 of four, 428 to 443 of a PAE guest's L2."""
_FLAGS: Final = PTE_PRESENT | PTE_RW | PTE_ACCESSED | PTE_DIRTY
"""__PAGE_HYPERVISOR: not for the guest's rings."""
_LINEAR: Final = {2: 11, 4: 2}
"""Which of the slots maps the table itself, by levels: 1019 at 0xFEC00000, after the M2P (4 MiB) and the direct map
(40 MiB); 258, after the M2P (256) and the memory-mapped configuration space (257)."""
M2P_ENTRY: Final = 3
"""The entry of a PAE guest's L3 table whose L2 table has Xen's slots at its end."""
FRAMES: Final = 1 + SLOTS
"""Frames of Xen's heap, from 0 on, that this takes: frame 0 is never given out, then one table for each slot."""
M2P_FRAME: Final = 1
"""What the first of the slots maps."""


def slots(mfn: int, paging: Paging) -> Words:
    """What Xen puts into its 16 slots of the top-level table in frame ``mfn``, or of a PAE guest's L2 table."""
    frames = np.arange(1, FRAMES, dtype=paging.entry)
    if paging.levels in _LINEAR:
        frames[_LINEAR[paging.levels]] = mfn
    filled: Words = frames << frames.dtype.type(PAGE_SHIFT) | frames.dtype.type(_FLAGS)
    return filled


def fill(page: Words, mfn: int, paging: Paging) -> None:
    """Put them into the top-level table ``page`` of frame ``mfn``. An L3 table of a PAE guest has no room for them."""
    own = page[paging.hypervisor_entries(paging.levels)]
    own[:] = 0
    if paging.m2p_slot is None:
        own[:SLOTS] = slots(mfn, paging)
