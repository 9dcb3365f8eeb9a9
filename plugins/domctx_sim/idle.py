"""Xen's own entries of every page directory: slots 1008 to 1023, as its idle table has them.

The linear page table maps the directory itself and the per-domain area the domain's own table; no guest writes them,
and no saved state holds them.
Source: xen/include/asm-i386/config.h and xen/common/memory.c (alloc_l2_table) at commit 8babea8308.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from domctx_sim.arrays import Words
from domctx_x86 import (
    I386_2LEVEL,
    PAGE_SHIFT,
    PTE_ACCESSED,
    PTE_DIRTY,
    PTE_PRESENT,
    PTE_RW,
)

_FIRST, _LAST = I386_2LEVEL.hypervisor_slots
_FLAGS: Final = PTE_PRESENT | PTE_RW | PTE_ACCESSED | PTE_DIRTY
"""__PAGE_HYPERVISOR: not for the guest's rings."""
LINEAR_SLOT: Final = 1019
"""0xFEC00000: after the M2P (4 MiB) and the direct map (40 MiB)."""
FRAMES: Final = 1 + _LAST - _FIRST
"""Frames of Xen's heap, from 0 on, that this takes: frame 0 is never given out, then one table for each slot."""


def slots(mfn: int) -> Words:
    """What Xen puts into slots 1008 to 1023 of the page directory in frame ``mfn``: u32[16]."""
    frames = np.arange(1, FRAMES, dtype=np.uint32)
    frames[LINEAR_SLOT - _FIRST] = mfn
    return frames << np.uint32(PAGE_SHIFT) | np.uint32(_FLAGS)
