"""Suspends a guest that did not suspend itself, as formats/xen.md 1.7 says that the guest does it.

The reserved pages are filled, ESI names the suspend record, shared_info is unmapped: all in a view, with what is
needed to undo it exactly; the machine's files stay as they are.
"""

from __future__ import annotations

import numpy as np

from domctx.errors import DomainError
from domctx.states import PageType, SpecialMapping, Suspension
from domctx_page_tables import FrameMap
from domctx_sim.arrays import PageTypes, Words
from domctx_sim.machine import Machine
from domctx_sim.metadata import DomainRecord
from domctx_sim.p2m import machine_p2m
from domctx_sim.special import SHARED_INFO_TARGET, mappings, without
from domctx_sim.suspension import SHARED_INFO_WORD, START_INFO_WORDS, Reserved, address
from domctx_sim.view import View, make_view, page_types


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
    overlay = without(special, machine, frame_map)
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
    word = int(machine.frames.words[frame_map.p2m[reserved.start_info], SHARED_INFO_WORD])
    found = mappings(machine, frame_map, types, domain.shared_info_frame)
    if types[reserved.start_info] == PageType.NOTAB and word == address(domain.shared_info_frame):
        plain = SpecialMapping(reserved.start_info, SHARED_INFO_WORD, 0, SHARED_INFO_TARGET)
        return tuple(sorted((*found, plain), key=lambda each: (each.pfn, each.index)))
    return found
