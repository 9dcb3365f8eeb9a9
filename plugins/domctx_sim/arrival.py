"""A saved domain becomes a domain of a machine: every check and every step of a restore (formats/xen.md 1.8).

The machine's own judge has the last word on the page tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs
import numpy as np

from domctx.errors import DomainError
from domctx.schema import encode
from domctx.states import GdtContext, PageTablesContext, PageType, SpecialMapping
from domctx_cpu.contexts import with_gdt
from domctx_cpu.layout import FullExecutionContext
from domctx_cpu.rules import check_context, sanitise
from domctx_page_tables import check_frame_list, localise
from domctx_sim import resume
from domctx_sim.arrays import Numbers, PageTypes, Words
from domctx_sim.home import Home
from domctx_sim.layout import WORDS, BuildDomain, Command, Update
from domctx_sim.on_behalf import SHARED_INFO_TARGET
from domctx_sim.suspension import SHARED_INFO_WORD, address
from domctx_x86 import PAGE_MASK, PAGE_SHIFT, PTE_PRESENT

_CHUNK: Final = 1024
_LEVEL: Final = np.uint8(7)


@attrs.frozen(eq=False)
class Arrival:
    """All that an image told, and its pages in their new frames: canonical, as they came."""

    home: Home
    cpu: FullExecutionContext
    gdt: GdtContext
    shared_info: bytes
    page_tables: PageTablesContext

    @property
    def types(self) -> PageTypes:
        """PageType by PFN."""
        return self.page_tables.types

    def settle(self) -> None:
        """Check everything, make it the machine's own, and build the domain.

        Raises DomainError or RecordError where anything is not right; the machine is then of no use.
        """
        cpu = with_gdt(self.cpu, self.gdt.frames, self.gdt.entries)
        check_context(cpu, self.home.pages, self.types)
        check_frame_list(self.page_tables.frame_list, self.types)
        self._localise()
        self._map_special()
        esi = self._resume()
        machine, domain = self.home.dom0.machine, self.home.domain
        machine.write(np.array([domain.shared_info_frame]), np.frombuffer(self.shared_info, np.uint8), domain.id)
        self._tell_machine()
        self._build(cpu, esi)
        self._check_types()

    def _localise(self) -> None:
        """Step 8: PFNs become MFNs, in all page tables."""
        for pfns in self._tables():
            pages = self.home.read(pfns)
            self.home.write(pfns, localise(pages, self.types[pfns], pfns.astype(np.uint32), self.types, self.home.p2m))

    def _tables(self) -> Iterator[Numbers]:
        pfns = np.flatnonzero(self.types & _LEVEL)
        for start in range(0, len(pfns), _CHUNK):
            yield pfns[start : start + _CHUNK]

    def _map_special(self) -> None:
        """Make the words anew that name the shared-info frame."""
        pages: dict[int, Words] = {}
        for each in self.page_tables.special:
            self._check_special(each)
            page = pages[each.pfn] if each.pfn in pages else pages.setdefault(each.pfn, self.home.page(each.pfn))
            if page[each.index]:
                raise _no_special(each, "the word is not zero")
            page[each.index] = address(self.home.domain.shared_info_frame) | each.flags
        if pages:
            self.home.write(np.array(list(pages)), np.stack(list(pages.values())))

    def _check_special(self, each: SpecialMapping) -> None:
        if each.target != SHARED_INFO_TARGET:
            raise _no_special(each, f"its target is not {SHARED_INFO_TARGET}")
        if not (0 <= each.pfn < self.home.pages and 0 <= each.index < WORDS and 0 <= each.flags <= PAGE_MASK):
            raise _no_special(each, "there is no such word")
        level = self.types[each.pfn] & _LEVEL
        if level not in (PageType.L1TAB, PageType.NOTAB) or (level == PageType.L1TAB) != bool(each.flags & PTE_PRESENT):
            raise _no_special(each, "it is neither a present entry of an L1 table nor a plain word")
        if level == PageType.NOTAB and (each.pfn, each.index) != (self.cpu.cpu_ctxt.esi + 1, SHARED_INFO_WORD):
            raise _no_special(each, "of plain words only start_info's names it")

    def _resume(self) -> int:
        record, frame_list = self.cpu.cpu_ctxt.esi, self.page_tables.frame_list
        suspension = self.page_tables.suspension
        if suspension is None and self.page_tables.special:
            raise _no_special(self.page_tables.special[0], "a domain that suspended itself has given up all such")
        if suspension is None:
            self.home.domain.run_state = "suspended"
            return resume.by_itself(self.home, record, frame_list)
        return resume.undo(self.home, record, frame_list, suspension)

    def _tell_machine(self) -> None:
        """Step 9: the M2P, then the pins: those that the image tells, or all where it tells of none."""
        pinned = (self.types & np.uint8(PageType.PINNED)) != 0
        self.home.domain.pins_known = bool(pinned.any())
        level = self.types & _LEVEL
        pfns = np.flatnonzero(pinned & (level != 0) if pinned.any() else level)
        pages = np.arange(self.home.pages)
        addresses = self.home.p2m.astype(np.int64) << PAGE_SHIFT
        m2p = np.stack([addresses | Update.MACHPHYS, pages], axis=1)
        commands = np.where(level[pfns] == PageType.L1TAB, Command.PIN_L1_TABLE, Command.PIN_L2_TABLE)
        pins = np.stack([addresses[pfns] | Update.EXTENDED, commands], axis=1)
        self.home.dom0.mmu_update(self.home.domain.id, np.concatenate([m2p, pins]).astype(np.uint32))

    def _build(self, cpu: FullExecutionContext, esi: int) -> None:
        """Steps 10 to 15: the context in machine frames, made safe, and BUILDDOMAIN."""
        frames = [self.home.mfn(pfn) for pfn in self.gdt.frames]
        context = attrs.evolve(
            with_gdt(cpu, frames, self.gdt.entries),
            cpu_ctxt=attrs.evolve(cpu.cpu_ctxt, esi=esi),
            pt_base=address(self.home.mfn(cpu.pt_base >> PAGE_SHIFT)),
        )
        domain = self.home.domain
        self.home.dom0.build_domain(BuildDomain(domain=domain.id, num_vifs=1, context=encode(sanitise(context))))

    def _check_types(self) -> None:
        """What the image calls a page table must be used as one, or its entries would be lost at the next save."""
        used = self.home.dom0.machine.table.page_types(self.home.p2m) & _LEVEL
        wrong = used != self.types & _LEVEL
        if wrong.any():
            pfn = int(wrong.argmax())
            raise DomainError(
                f"PFN 0x{pfn:x} is typed as a page table that nothing uses",
                expected=PageType(int(self.types[pfn] & _LEVEL)).name,
                got=PageType(int(used[pfn])).name,
            )


def _no_special(each: SpecialMapping, why: str) -> DomainError:
    return DomainError(
        f"word {each.index} of PFN 0x{each.pfn:x} cannot map a frame that is not the domain's: {why}",
        got=f"flags 0x{each.flags:x}, target {each.target[:30]!r}",
    )
