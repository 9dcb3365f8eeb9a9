"""The words of a domain's memory that name the shared-info frame, which is not its own: found, and left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from domctx.states import PageType, SpecialMapping
from domctx_page_tables import FrameMap
from domctx_sim.arrays import Numbers, PageTypes, Words
from domctx_sim.machine import Machine
from domctx_sim.rules import frames_of, present

SHARED_INFO_TARGET: Final = "shared_info"
"""What special mappings point to: the frame that Xen shares with the domain."""
_CHUNK: Final = 1024


def mappings(machine: Machine, frame_map: FrameMap, types: PageTypes, frame: int) -> tuple[SpecialMapping, ...]:
    """The present entries of L1 tables that map ``frame``, ascending."""
    rows = [row for pfns in _l1_tables(types) for row in _of_tables(machine, frame_map, pfns, frame)]
    return tuple(SpecialMapping(pfn, index, flags, SHARED_INFO_TARGET) for pfn, index, flags in sorted(rows))


def _l1_tables(types: PageTypes) -> Iterator[Numbers]:
    pfns = np.flatnonzero(types & np.uint8(~PageType.PINNED & 0xFF) == PageType.L1TAB)
    for start in range(0, len(pfns), _CHUNK):
        yield pfns[start : start + _CHUNK]


def _of_tables(machine: Machine, frame_map: FrameMap, pfns: Numbers, frame: int) -> list[list[int]]:
    """The present entries of L1 tables that map a frame: PFN, index and flags of each."""
    paging = machine.platform.paging
    entries = machine.frames.read(frame_map.p2m[pfns]).view(paging.entry)
    rows, indexes = np.nonzero((frames_of(entries, paging) == frame) & present(entries))
    flags = entries[rows, indexes] & entries.dtype.type(paging.flags_mask)
    return [list(row) for row in zip(pfns[rows].tolist(), indexes.tolist(), flags.tolist(), strict=True)]


def without(special: tuple[SpecialMapping, ...], machine: Machine, frame_map: FrameMap) -> dict[int, Words]:
    """Copies of the pages that hold special words, u32[1024] each, with zeros in their place."""
    pages = {each.pfn: machine.frames.words[frame_map.p2m[each.pfn]].copy() for each in special}
    for each in special:
        pages[each.pfn].view(machine.platform.paging.entry)[each.index] = 0
    return pages
