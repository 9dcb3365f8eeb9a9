"""A domain as a saved state shows it: suspended, canonical, and with nothing of where the machine put it."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from domctx.errors import DomainError
from domctx.states import GdtContext, PageTablesContext, PageType, SpecialMapping, Suspension, VcpuContext
from domctx_cpu.contexts import vcpu_context
from domctx_cpu.layout import FullExecutionContext
from domctx_page_tables import NO_PFN, FrameMap, canonicalise
from domctx_sim.arrays import PageTypes, Words
from domctx_sim.machine import Machine
from domctx_sim.metadata import DomainRecord
from domctx_sim.rules import check_base, check_gdt_entries
from domctx_x86 import I386_2LEVEL, PAGE_SHIFT, gdt_frame_count


@attrs.frozen(eq=False)
class View:
    """The canonical state of a suspended domain."""

    machine: Machine
    frame_map: FrameMap
    vcpu: VcpuContext
    gdt: GdtContext
    page_tables: PageTablesContext
    overlay: Mapping[int, Words]
    """Pages, by PFN, that differ from the machine's: u32[1024] each."""

    def pages(self, first: int, count: int) -> Words:
        """The contents of ``count`` pages, canonical: u32[count, 1024]. Raises DomainError for a foreign entry."""
        pfns = np.arange(first, first + count, dtype=np.uint32)
        pages = self.machine.frames.read(self.frame_map.p2m[first : first + count])
        for pfn in self.overlay.keys() & range(first, first + count):
            pages[pfn - first] = self.overlay[pfn]
        return canonicalise(pages, self.page_tables.types[first : first + count], pfns, self.frame_map)


def make_view(
    machine: Machine,
    frame_map: FrameMap,
    record: int,
    frame_list: tuple[int, ...],
    overlay: Mapping[int, Words],
    *,
    special: tuple[SpecialMapping, ...] = (),
    suspension: Suspension | None = None,
) -> View:
    """A view whose suspend record is page ``record``; processor, GDT and page types come from the machine.

    Raises DomainError where the processor or its GDT names a frame that is not the domain's.
    """
    cpu = machine.domain.cpu
    check_base(cpu.pt_base)
    base = pfn_of("the page directory", frame_map, cpu.pt_base >> PAGE_SHIFT)
    registers = attrs.evolve(cpu.cpu_ctxt, esi=record)
    tables = PageTablesContext(
        width=I386_2LEVEL.width,
        levels=I386_2LEVEL.levels,
        types=page_types(machine, machine.domain, frame_map),
        frame_list=frame_list,
        special=special,
        suspension=suspension,
    )
    vcpu = vcpu_context(attrs.evolve(cpu, cpu_ctxt=registers, pt_base=base << PAGE_SHIFT))
    return View(machine, frame_map, vcpu, _gdt(cpu, frame_map), tables, overlay)


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


def _gdt(cpu: FullExecutionContext, frame_map: FrameMap) -> GdtContext:
    check_gdt_entries(cpu.gdt_ents)
    frames = cpu.gdt_frames[: gdt_frame_count(cpu.gdt_ents)]
    return GdtContext(tuple(pfn_of("a GDT frame", frame_map, frame) for frame in frames), cpu.gdt_ents)
