"""Tests of domctx_sim.idle: Xen's slots of a top-level page table."""

from __future__ import annotations

import numpy as np
import pytest

from domctx_sim import idle
from domctx_sim.frame_table import HEAP_FRAMES
from domctx_x86 import I386_2LEVEL, PAE, X86_64_4LEVEL, Paging


@pytest.mark.parametrize(("paging", "first", "linear"), [(I386_2LEVEL, 1008, 1019), (X86_64_4LEVEL, 256, 258)])
def test_sixteen_slots(paging: Paging, first: int, linear: int) -> None:
    """Each slot names a frame of Xen's own, but the linear one, which names the table itself."""
    page = np.full(paging.entries, 7, paging.entry)
    idle.fill(page, 0x12345, paging)
    slots = page[first : first + 16]
    assert slots[linear - first] == 0x12345 << 12 | 0x063
    others = [int(slot) >> 12 for index, slot in enumerate(slots) if index != linear - first]
    assert all(0 < frame < idle.FRAMES <= HEAP_FRAMES for frame in others)
    assert (np.delete(page, range(first, first + 16)) == 7).all()


def test_an_l3_table_of_a_pae_guest_has_no_room() -> None:
    """The entries that PAE does not have are zero; the M2P is mapped by an L2 table, from its first slot on."""
    page = np.full(512, 7, "<u8")
    idle.fill(page, 0x12345, PAE)
    assert page.tolist() == [7] * 4 + [0] * 508
    assert int(idle.slots(0x12345, PAE)[0]) >> 12 == idle.M2P_FRAME
