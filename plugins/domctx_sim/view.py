"""A domain as a saved state shows it: suspended, canonical, and with nothing of where the machine put it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from domctx.errors import DomainError
from domctx.schema import encode
from domctx.states import GdtContext, PageTablesContext, PageType, SpecialMapping, Suspension, VcpuContext
from domctx.values import frozen
from domctx_cpu.contexts import without_gdt
from domctx_page_tables import NO_PFN, FrameMap, canonicalise
from domctx_sim.arrays import PageTypes, Words
from domctx_sim.machine import Machine
from domctx_sim.metadata import DomainRecord
from domctx_sim.processor import processor_of
from domctx_sim.rules import check_gdt_entries
from domctx_x86 import gdt_frame_count


@frozen(eq=False)
class View:
    """The canonical state of a suspended domain."""

    machine: Machine
    frame_map: FrameMap
    vcpu: VcpuContext
    gdt: GdtContext
    page_tables: PageTablesContext
    shared_info: bytes
    """The shared-info page."""
    overlay: Mapping[int, Words]
    """Pages, by PFN, that differ from the machine's: u32[1024] each."""

    def pages(self, first: int, count: int) -> Words:
        """The contents of ``count`` pages, canonical: u32[count, 1024]. Raises DomainError for a foreign entry."""
        pfns = np.arange(first, first + count, dtype=np.uint32)
        pages = self.machine.frames.read(self.frame_map.p2m[first : first + count])
        for pfn in self.overlay.keys() & range(first, first + count):
            pages[pfn - first] = self.overlay[pfn]
        paging = self.machine.platform.paging
        entries = pages.view(paging.entry)
        types = self.page_tables.types[first : first + count]
        found: Words = canonicalise(entries, types, pfns, self.frame_map, paging=paging).view("<u4")
        return found


def make_view(
    machine: Machine,
    frame_map: FrameMap,
    record: int,
    frame_list: tuple[int, ...],
    overlay: Mapping[int, Words],
    *,
    special: tuple[SpecialMapping, ...] = (),
    suspension: Suspension | None = None,
    shared_info: bytes | None = None,
) -> View:
    """A view whose suspend record is page ``record``; processor, GDT and page types come from the machine.

    ``shared_info`` is the page in the place of the machine's. Raises DomainError where the processor or its GDT names a
    frame that is not the domain's.
    """
    cpu, processor = machine.domain.cpu, processor_of(machine.platform)
    names = ("the page directory", "user mode's page directory")
    bases = [pfn_of(name, frame_map, mfn) for name, mfn in zip(names, processor.bases(cpu), strict=False)]
    tables = PageTablesContext(
        width=machine.platform.paging.width,
        levels=machine.platform.paging.levels,
        types=page_types(machine, machine.domain, frame_map),
        frame_list=frame_list,
        special=special,
        suspension=suspension,
    )
    canonical = processor.with_bases(processor.with_record(without_gdt(cpu), record), bases, canonical=True)
    vcpu = VcpuContext(machine.platform.abi, encode(canonical))
    page = machine.frames.words[machine.domain.shared_info_frame].tobytes() if shared_info is None else shared_info
    return View(machine, frame_map, vcpu, _gdt(machine, cpu, frame_map), tables, page, overlay)


def page_types(machine: Machine, domain: DomainRecord, frame_map: FrameMap) -> PageTypes:
    """What each page is used as; with PINNED only where it is known which pages the guest itself pinned."""
    types = machine.table.page_types(frame_map.p2m)
    return types if domain.pins_known else types & ~np.uint8(PageType.PINNED)


def pfn_of(what: str, frame_map: FrameMap, mfn: int) -> int:
    """The page in a frame. Raises DomainError, naming ``what``, where it is none of the domain's."""
    pfn = int(frame_map.pfn_of(np.array([mfn], np.uint32))[0])
    if pfn == NO_PFN:
        raise DomainError(f"{what} is no page of the domain", got=f"MFN 0x{mfn:05x}")
    return pfn


def _gdt(machine: Machine, cpu: Any, frame_map: FrameMap) -> GdtContext:
    check_gdt_entries(cpu.gdt_ents, machine.platform.gdt_entries)
    frames = cpu.gdt_frames[: gdt_frame_count(cpu.gdt_ents)]
    return GdtContext(tuple(pfn_of("a GDT frame", frame_map, frame) for frame in frames), cpu.gdt_ents)
