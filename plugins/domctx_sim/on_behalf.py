"""Suspends a guest that did not suspend itself, as formats/xen.md 1.7 says that the guest does it.

The reserved pages are filled, ESI names the suspend record, shared_info is unmapped: all in a view, with what is
needed to undo it exactly; the machine's files stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from domctx.errors import DomainError
from domctx.states import PageType, SpecialMapping, Suspension
from domctx_page_tables import FrameMap
from domctx_sim.arrays import Numbers, PageTypes, Words
from domctx_sim.machine import Machine
from domctx_sim.metadata import DomainRecord
from domctx_sim.p2m import machine_p2m
from domctx_sim.suspension import SHARED_INFO_WORD, START_INFO_WORDS, Reserved, address
from domctx_sim.view import View, make_view, page_types
from domctx_x86 import PAGE_MASK, PAGE_SHIFT, PTE_PRESENT

SHARED_INFO_TARGET: Final = "shared_info"
"""What special mappings point to: the frame that Xen shares with the domain."""
_CHUNK: Final = 1024


def suspend(machine: Machine) -> View:
    """The view of the machine's domain, suspended on its behalf.

    Raises DomainError for what no saved state can hold.
    """
    domain = machine.domain
    if domain.reserved is None:
        raise DomainError("the domain has no reserved pages", hint="it can be saved once it has suspended itself")
    frame_map = FrameMap(machine_p2m(machine, domain))
    types = page_types(machine, domain, frame_map)
    reserved = Reserved.of(frame_map.pfns, domain.reserved)
    _refuse_tables(types, reserved)
    special = _special(machine, domain, frame_map, types, reserved)
    start_info = _start_info(machine, frame_map, types, reserved)
    live = reserved.fill(frame_map.p2m, start_info, address(domain.shared_info_frame))
    saved = reserved.fill(np.arange(frame_map.pfns, dtype=np.uint32), start_info, 0)
    overlay = _without(special, machine, frame_map)
    overlay.update(zip(reserved.all, saved, strict=True))
    displaced = _displaced(machine.frames.read(frame_map.p2m[reserved.p2m : reserved.start_info]), live, reserved)
    suspension = Suspension(registers={"esi": domain.cpu.cpu_ctxt.esi}, displaced=displaced)
    frame_list = tuple(reserved.p2m_pages)
    return make_view(machine, frame_map, reserved.record, frame_list, overlay, special=special, suspension=suspension)


def _refuse_tables(types: PageTypes, reserved: Reserved) -> None:
    used = np.flatnonzero(types[reserved.p2m : reserved.start_info])
    if len(used):
        raise DomainError(
            "the guest uses a reserved page as a page table", got=f"PFN 0x{reserved.p2m + int(used[0]):x}"
        )


def _start_info(machine: Machine, frame_map: FrameMap, types: PageTypes, reserved: Reserved) -> Words:
    """The words of start_info; nothing of them where the guest made its page a page table."""
    if types[reserved.start_info] != PageType.NOTAB:
        return np.zeros(START_INFO_WORDS, np.uint32)
    return machine.frames.words[frame_map.p2m[reserved.start_info], :START_INFO_WORDS]


def _displaced(found: Words, live: Words, reserved: Reserved) -> dict[int, bytes]:
    """The contents of the reserved pages that the suspension replaces; none for a page of zeros."""
    return {
        pfn: page.tobytes() if page.any() else b""
        for pfn, page, written in zip(reserved.all, found, live, strict=True)
        if not np.array_equal(page, written)
    }


def _special(
    machine: Machine, domain: DomainRecord, frame_map: FrameMap, types: PageTypes, reserved: Reserved
) -> tuple[SpecialMapping, ...]:
    """The words that name the shared-info frame: entries of L1 tables, and the one in start_info."""
    rows = [_mappings(machine, frame_map, pfns, domain.shared_info_frame) for pfns in _l1_tables(types)]
    word = int(machine.frames.words[frame_map.p2m[reserved.start_info], SHARED_INFO_WORD])
    if types[reserved.start_info] == PageType.NOTAB and word == address(domain.shared_info_frame):
        rows.append([[reserved.start_info, SHARED_INFO_WORD, 0]])
    found = sorted(row for chunk in rows for row in chunk)
    return tuple(SpecialMapping(pfn, index, flags, SHARED_INFO_TARGET) for pfn, index, flags in found)


def _l1_tables(types: PageTypes) -> Iterator[Numbers]:
    pfns = np.flatnonzero(types & np.uint8(~PageType.PINNED & 0xFF) == PageType.L1TAB)
    for start in range(0, len(pfns), _CHUNK):
        yield pfns[start : start + _CHUNK]


def _mappings(machine: Machine, frame_map: FrameMap, pfns: Numbers, frame: int) -> list[list[int]]:
    """The present entries of L1 tables that map a frame: PFN, index and flags of each."""
    entries = machine.frames.read(frame_map.p2m[pfns])
    rows, indexes = np.nonzero((entries >> np.uint32(PAGE_SHIFT) == frame) & (entries & PTE_PRESENT != 0))
    flags = entries[rows, indexes] & PAGE_MASK
    return [list(row) for row in zip(pfns[rows].tolist(), indexes.tolist(), flags.tolist(), strict=True)]


def _without(special: tuple[SpecialMapping, ...], machine: Machine, frame_map: FrameMap) -> dict[int, Words]:
    """Copies of the pages that hold special words, with zeros in their place."""
    pages = {each.pfn: machine.frames.words[frame_map.p2m[each.pfn]].copy() for each in special}
    for each in special:
        pages[each.pfn][each.index] = 0
    return pages
