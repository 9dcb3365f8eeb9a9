"""A Xen core as a Domain: memory by PFNs, vCPU contexts and page tables canonical as in a saved stream."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
import numpy as np

from domctx.api import Machine, Placement, RamBlock, StateKey
from domctx.file_domain import FileDomain
from domctx.files import RandomFile
from domctx.schema import decode, encode
from domctx.states import (
    FOREIGN_HEAD,
    GDT,
    MEMORY,
    PAGE_TABLES,
    SHARED_INFO,
    VCPUS,
    ForeignPart,
    PageKind,
    PageTablesContext,
    SharedInfoContext,
    VcpuContext,
)
from domctx_cpu import StoredVcpus
from domctx_cpu.contexts import split
from domctx_cpu.xen_layout import XEN_X86_32, XEN_X86_64, VcpuGuestContext32, VcpuGuestContext64
from domctx_cpu.xen_registers import unfolded
from domctx_elf.layout import SCHEME
from domctx_elf.memory import PAGE_SHIFT, Runs
from domctx_elf.xen_content import XenCore
from domctx_elf.xen_tables import CanonicalMemory, Frames, XenTables
from domctx_foreign import StoredForeign
from domctx_gdt import StoredGdt
from domctx_page_tables import StoredPageTables
from domctx_shared_info import StoredSharedInfo
from domctx_x86 import MAX_DESCRIPTORS, gdt_frame_count, paging_of
from domctx_x86.vcpu import NARROW, WIDE

XEN_NOTES: Final = "xen notes"
"""The foreign part in which the notes of a Xen core are kept."""
BLOCK: Final = "ram"
FRAMES: Final = (1 << 40) - 1
"""Bits of a frame number."""
ABIS: Final = {8: XEN_X86_64, 4: XEN_X86_32}
LAYOUTS: Mapping[int, type[Any]] = MappingProxyType({8: VcpuGuestContext64, 4: VcpuGuestContext32})


class XenCoreDomain(FileDomain):
    """An opened Xen core."""

    scheme = SCHEME

    def __init__(self, file: RandomFile, core: XenCore, note: Callable[[str], None]) -> None:
        self.location = file.name
        self._file, self._core, self._note = file, core, note
        pages = int(core.pfns[-1]) + 1 if len(core.pfns) else 0
        self._frames = Frames(core.pfns, core.mfns) if core.mfns is not None and core.paravirtual else None
        size = pages << PAGE_SHIFT
        self._block = RamBlock(BLOCK, size, PAGE_SHIFT, (Placement(0, 0, size),) if size else ())
        levels = {8: 4, 4: 3}.get(core.width) if core.paravirtual else None
        self.machine = Machine(
            name="",
            architecture=NARROW if core.width == 4 else WIDE,
            hypervisor="xen",
            blocks=(self._block,),
            vcpus=tuple(range(len(core.contexts))),
            pv_width=core.width if levels else None,
            pv_levels=levels,
        )

    @functools.cached_property
    def states(self) -> Mapping[StateKey[Any], Any]:
        """Memory, vCPUs and what belongs to them. Raises RecordError for a vCPU context that cannot be."""
        memory = CanonicalMemory(self._file, [self._block], [_runs(self._core)], PageKind.INVALID)
        split_up = [split(VcpuContext(ABIS[self._core.width], octets)) for octets in self._contexts()]
        states: dict[StateKey[Any], Any] = {
            FOREIGN_HEAD: StoredForeign([ForeignPart(SCHEME, XEN_NOTES, self._core.notes)]),
            MEMORY: memory,
            VCPUS: StoredVcpus(dict(enumerate(context for context, _ in split_up))),
            GDT: StoredGdt(dict(enumerate(gdt for _, gdt in split_up))),
        }
        if self._core.shared_info is not None and self._core.width:
            page = SharedInfoContext(ABIS[self._core.width], self._core.shared_info.ljust(1 << PAGE_SHIFT, b"\0"))
            states[SHARED_INFO] = StoredSharedInfo(page)
        paging = paging_of(8, self.machine.pv_levels) if self.machine.pv_levels else None
        if paging is not None and self._frames is not None:
            tables = XenTables(self._frames, paging, self._block.pages)
            tables.discover(self._roots(), memory)
            memory.tables = tables
            context = PageTablesContext(width=8, levels=paging.levels, types=tables.types)
            states[PAGE_TABLES] = StoredPageTables(context)
            self._note(f"{self.location}: page tables that no vCPU uses are not known: they keep machine frames")
        return states

    def _contexts(self) -> Iterator[bytes]:
        """The contexts, canonical."""
        for octets in self._core.contexts:
            context = decode(LAYOUTS[self._core.width], octets)
            if self._frames is not None:
                context = _canonical(context, self._core.width, self._frames)
            yield encode(context)

    def _roots(self) -> Iterator[int]:
        """The PFNs of top-level tables."""
        for octets in self._contexts():
            context = decode(LAYOUTS[self._core.width], octets)
            if self._core.width == 4:
                yield unfolded(context.ctrlreg[3])
            else:
                yield context.ctrlreg[3] >> PAGE_SHIFT
                if context.ctrlreg[1] & 1:
                    yield context.ctrlreg[1] >> PAGE_SHIFT

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _runs(core: XenCore) -> Runs:
    """Consecutive PFNs stand together in the file."""
    starts = np.flatnonzero(np.diff(core.pfns, prepend=-2) != 1)
    counts = np.diff(np.append(starts, len(core.pfns)))
    firsts = core.pfns[starts] if len(starts) else core.pfns
    octets = counts << PAGE_SHIFT
    return Runs(firsts << PAGE_SHIFT, octets, core.pages + (starts << PAGE_SHIFT), octets)


def _canonical(context: Any, width: int, frames: Frames) -> Any:
    """A context with PFNs for its page tables and its GDT; frames that are not the domain's become 0."""

    def pfns(*mfns: int) -> list[int]:
        return [int(pfn) for pfn in np.maximum(frames.pfn_of(np.array(mfns, np.int64)), 0)]

    registers = list(context.ctrlreg)
    if width == 4:
        (pfn,) = pfns(unfolded(registers[3]))
        registers[3] = (pfn << PAGE_SHIFT | pfn >> 20) & 0xFFFF_FFFF
    else:
        kernel, user = pfns(*(registers[number] >> PAGE_SHIFT & FRAMES for number in (3, 1)))
        registers[3] = kernel << PAGE_SHIFT
        registers[1] = user << PAGE_SHIFT | 1 if registers[1] else 0  # Xen dumps the address alone, without a bit
    used = gdt_frame_count(min(context.gdt_ents, MAX_DESCRIPTORS))
    gdt = pfns(*(frame & FRAMES for frame in context.gdt_frames[:used]))
    return attrs.evolve(context, ctrlreg=tuple(registers), gdt_frames=(*gdt, *(0,) * (16 - used)))
