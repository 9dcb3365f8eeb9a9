"""A saved domain becomes a domain of a machine: every check and every step of a restore (formats/xen.md 1.8, 4.5).

The machine's own judge has the last word on the page tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from domctx.errors import DomainError
from domctx.schema import encode
from domctx.states import GdtContext, PageTablesContext, PageType, SpecialMapping
from domctx.values import frozen
from domctx_cpu.contexts import with_gdt
from domctx_gdt.frames import check as check_gdt
from domctx_page_tables import check_frame_list, localise
from domctx_sim import resume, today
from domctx_sim.arrays import Numbers, PageTypes, Words
from domctx_sim.home import Home
from domctx_sim.layout import Update
from domctx_sim.processor import processor_of
from domctx_sim.special import SHARED_INFO_TARGET
from domctx_sim.suspension import SHARED_INFO_WORD, address
from domctx_x86 import PAGE_SHIFT, PTE_PRESENT

_CHUNK: Final = 1024
_LEVEL: Final = np.uint8(7)


@frozen(eq=False)
class Arrival:
    """All that an image told, and its pages in their new frames: canonical, as they came."""

    home: Home
    cpu: Any
    """The decoded vCPU context."""
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
        processor_of(self.home.platform).check(cpu, self.types)
        check_gdt(self.gdt)
        check_frame_list(self.page_tables.frame_list, self.types, paging=self.home.platform.paging)
        self._localise()
        self._map_special()
        register, shared_info = self._resume()
        machine, domain = self.home.dom0.machine, self.home.domain
        machine.write(np.array([domain.shared_info_frame]), np.frombuffer(shared_info, np.uint8), domain.id)
        self._tell_machine()
        self._build(cpu, register)
        self._check_types()

    def _localise(self) -> None:
        """Step 8: PFNs become MFNs, in all page tables."""
        paging, numbers = self.home.platform.paging, self.home.p2m
        for pfns in self._tables():
            entries = self.home.read(pfns).view(paging.entry)
            found = localise(entries, self.types[pfns], pfns.astype(np.uint32), self.types, numbers, paging=paging)
            self.home.write(pfns, found)

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
            words = page.view(self.home.platform.paging.entry)
            if words[each.index]:
                raise _no_special(each, "the word is not zero")
            words[each.index] = address(self.home.domain.shared_info_frame) | each.flags
        if pages:
            self.home.write(np.array(list(pages)), np.stack(list(pages.values())))

    def _check_special(self, each: SpecialMapping) -> None:
        if each.target != SHARED_INFO_TARGET:
            raise _no_special(each, f"its target is not {SHARED_INFO_TARGET}")
        paging = self.home.platform.paging
        good = 0 <= each.flags == each.flags & paging.flags_mask
        if not (0 <= each.pfn < self.home.pages and 0 <= each.index < paging.entries and good):
            raise _no_special(each, "there is no such word")
        level = self.types[each.pfn] & _LEVEL
        if level not in (PageType.L1TAB, PageType.NOTAB) or (level == PageType.L1TAB) != bool(each.flags & PTE_PRESENT):
            raise _no_special(each, "it is neither a present entry of an L1 table nor a plain word")
        if level == PageType.NOTAB and (each.pfn, each.index) != self._plain_word():
            raise _no_special(each, "of plain words only start_info's names it")

    def _plain_word(self) -> tuple[int, int] | None:
        """The page and index of the one word outside of page tables; today's start_info is rewritten anyhow."""
        record = processor_of(self.home.platform).record(self.cpu)
        return None if self.home.platform.today else (record + 1, SHARED_INFO_WORD)

    def _resume(self) -> tuple[int, bytes]:
        """What the register must hold that named the suspend record or start_info, and the shared-info page."""
        record, frame_list = processor_of(self.home.platform).record(self.cpu), self.page_tables.frame_list
        if self.home.platform.today:
            return today.arrive(self.home, record, self.page_tables, self.shared_info)
        suspension = self.page_tables.suspension
        if suspension is None and self.page_tables.special:
            raise _no_special(self.page_tables.special[0], "a domain that suspended itself has given up all such")
        if suspension is None:
            self.home.domain.run_state = "suspended"
            return resume.by_itself(self.home, record, frame_list), self.shared_info
        return resume.undo(self.home, record, frame_list, suspension), self.shared_info

    def _tell_machine(self) -> None:
        """Step 9: the M2P, then the pins: those that the image tells, or all where it tells of none."""
        pinned = (self.types & np.uint8(PageType.PINNED)) != 0
        self.home.domain.pins_known = bool(pinned.any())
        level = self.types & _LEVEL
        pfns = np.flatnonzero(pinned & (level != 0) if pinned.any() else level)
        pfns = pfns[np.argsort(level[pfns], kind="stable")]
        pages = np.arange(self.home.pages)
        addresses = self.home.p2m.astype(np.int64) << PAGE_SHIFT
        m2p = np.stack([addresses | Update.MACHPHYS, pages], axis=1)
        commands = level[pfns] - np.uint8(1)  # PIN_L1_TABLE is 0, and so on
        pins = np.stack([addresses[pfns] | Update.EXTENDED, commands], axis=1)
        updates = np.concatenate([m2p, pins]).astype(self.home.platform.paging.entry)
        self.home.dom0.mmu_update(self.home.domain.id, updates)

    def _build(self, cpu: Any, register: int) -> None:
        """Steps 10 to 15: the context in machine frames, made safe, and BUILDDOMAIN."""
        processor = processor_of(self.home.platform)
        bases = [self.home.mfn(pfn) for pfn in processor.bases(cpu, canonical=True)]
        frames = [self.home.mfn(pfn) for pfn in self.gdt.frames]
        context = processor.with_record(with_gdt(cpu, frames, self.gdt.entries), register)
        here = encode(processor.sanitise(processor.with_bases(context, bases)))
        self.home.dom0.install(self.home.domain.id, here, vifs=1)

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
