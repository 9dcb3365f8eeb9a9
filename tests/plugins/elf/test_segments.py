"""Which runs of guest-physical memory a core has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from domctx.api import Machine, Placement, RamBlock
from domctx.states import Memory, PageKind
from domctx_elf import segments
from domctx_elf.segments import left_out, loads
from helpers.memory import SourceMemory

MACHINE = Machine("m", "x86_64", "qemu")


class Kinds(SourceMemory):
    """A memory that tells of its pages' kinds."""

    def __init__(self, blocks: Sequence[RamBlock], *columns: NDArray[np.uint8]) -> None:
        super().__init__(blocks, [])
        self._columns = columns

    def kinds(self, block: int, first: int, count: int) -> NDArray[np.uint8]:
        """Some of them."""
        return self._columns[block][first : first + count]


def extents(memory: Memory, machine: Machine = MACHINE) -> list[tuple[int, int, int, int]]:
    """What a core of it has: (address, block, offset, length)."""
    return [tuple(load.extent) for load in loads(memory, machine)]  # type: ignore[misc]  # four of them


def test_neighbours_are_joined_where_they_are_neighbours_in_their_block() -> None:
    """Others stay apart; what has no place is named."""
    places = (Placement(0, 0, 4096), Placement(4096, 4096, 4096), Placement(8192, 0, 4096))
    blocks = [RamBlock("a", 8192, 12, places), RamBlock("b", 4096, 12, (Placement(12288, 0, 4096),)), RamBlock("c", 1)]
    memory = SourceMemory(blocks, [])
    assert extents(memory) == [(0, 0, 0, 8192), (8192, 0, 0, 4096), (12288, 1, 0, 4096)]
    assert left_out(memory, loads(memory, MACHINE)) == ["c"]


def test_the_firmware_ends_where_4_gib_do() -> None:
    """Of QEMU's machines, and where nothing else stands there."""
    ram, bios = RamBlock("pc.ram", 4096, 12, (Placement(0, 0, 4096),)), RamBlock("pc.bios", 0x4_0000)
    memory = SourceMemory([bios, ram], [])
    assert extents(memory) == [(0, 1, 0, 4096), (0xFFFC_0000, 0, 0, 0x4_0000)]
    assert extents(memory, Machine("m", "x86_64", "xen")) == [(0, 1, 0, 4096)]
    high = RamBlock("pc.ram", 4096, 12, (Placement(0xFFFF_0000, 0, 4096),))
    assert extents(SourceMemory([bios, high], [])) == [(0xFFFF_0000, 1, 0, 4096)]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 600)), min_size=1, max_size=8), st.integers(1, 700))
def test_long_runs_without_frames_are_holes(runs: list[tuple[int, int]], step: int) -> None:
    """What is left out are runs of 256 pages and more without a frame, and no other page."""
    kinds = np.concatenate([np.full(count, PageKind.INVALID if hole else 0, np.uint8) for hole, count in runs])
    memory = Kinds([RamBlock("ram", len(kinds) << 12)], kinds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "STEP", step)
        found = extents(memory)
    covered = np.zeros(len(kinds), bool)
    for address, _, offset, length in found:
        assert address == offset
        covered[offset >> 12 : (offset + length) >> 12] = True
    edges = np.flatnonzero(np.diff(kinds == PageKind.INVALID, prepend=False, append=False)).reshape(-1, 2)
    expected = np.ones(len(kinds), bool)
    for start, stop in edges.tolist():
        if stop - start >= segments.HOLE:
            expected[start:stop] = False
    assert np.array_equal(covered, expected)
