"""Tests of domctx_sim.idle: Xen's slots of a page directory."""

from __future__ import annotations

from domctx_sim import idle
from domctx_sim.frame_table import HEAP_FRAMES


def test_sixteen_slots() -> None:
    """Each slot names a frame of Xen's own, but the linear one, which names the directory."""
    slots = idle.slots(0x12345)
    assert len(slots) == 16
    assert slots[idle.LINEAR_SLOT - 1008] == 0x12345 << 12 | 0x063
    others = [int(slot) >> 12 for index, slot in enumerate(slots) if index != idle.LINEAR_SLOT - 1008]
    assert all(0 < frame < idle.FRAMES <= HEAP_FRAMES for frame in others)
