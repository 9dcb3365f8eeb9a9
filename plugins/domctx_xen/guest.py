"""The rules of a restore for a paravirtualised guest (formats/xen.md 4.5): frames that vCPUs name, and page tables."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domctx.api import Domain
from domctx.errors import RecordError
from domctx.states import GDT, MEMORY, PAGE_TABLES, VCPUS, PageTablesContext, VcpuContext
from domctx.wire import record_name
from domctx_cpu import CPU_EXTENDED, CPU_MSRS, CPU_XSAVE
from domctx_cpu.contexts import decode_context
from domctx_cpu.xen_registers import unfolded
from domctx_page_tables import check_batch, check_frame_list
from domctx_x86 import PAGE_SHIFT, Paging, paging_of

LEVEL: Final = 7
"""The bits of a page type that tell the level."""
FIRST_RESERVED: Final = 7168
"""Entries of a GDT at most: the others are Xen's own."""


def check_guest(domain: Domain) -> None:
    """Raise RecordError for the first rule that is broken; a domain without page tables has none."""
    state = domain.state(PAGE_TABLES)
    tables = state.context if state is not None else None
    paging = paging_of(tables.width, tables.levels) if tables is not None else None
    if tables is None or paging is None:
        return
    _check_vcpus(domain, tables, paging)
    check_frame_list(tables.frame_list, tables.types, paging=paging)
    memory = domain.state(MEMORY)
    for batch in memory.batches() if memory is not None else ():
        check_batch(batch, tables.types, paging=paging)


def _check_vcpus(domain: Domain, tables: PageTablesContext, paging: Paging) -> None:
    vcpus, gdts = domain.state(VCPUS), domain.state(GDT)
    contexts = vcpus.contexts if vcpus is not None else {}
    if 0 not in contexts:
        raise RecordError("vCPU 0 has no context", record=record_name("X86_PV_VCPU_BASIC", 0))
    for key in (CPU_EXTENDED, CPU_XSAVE, CPU_MSRS):
        state = domain.state(key)
        for vcpu in state.parts if state is not None else ():
            if vcpu not in contexts:
                raise RecordError(f"vCPU {vcpu} has a part, {key.name}, but no context")
    for vcpu, context in contexts.items():
        gdt = gdts.contexts.get(vcpu) if gdts is not None else None
        try:
            _check_vcpu(vcpu, context, tables, paging)
            if gdt is not None:
                _check_gdt(gdt.frames, gdt.entries, tables.types)
        except RecordError as error:
            raise error.at(record=record_name("X86_PV_VCPU_BASIC", vcpu)) from None


def _check_vcpu(vcpu: int, context: VcpuContext, tables: PageTablesContext, paging: Paging) -> None:
    found = decode_context(context)
    cr3 = found.ctrlreg[3]
    base = cr3 >> PAGE_SHIFT if paging.levels == 4 else unfolded(cr3)
    _check_table("the page-table base (cr3)", base, tables.types, paging)
    user = found.ctrlreg[1]
    if paging.levels == 4 and user & 1:
        _check_table("the user page-table base (cr1)", user >> PAGE_SHIFT, tables.types, paging)
    if vcpu == 0:
        _check_plain("start_info (edx)", _edx(found), tables.types)


def _edx(context: Any) -> int:
    found: int = context.user_regs.rdx if hasattr(context.user_regs, "rdx") else context.user_regs.edx
    return found


def _check_gdt(frames: tuple[int, ...], entries: int, types: NDArray[np.uint8]) -> None:
    if entries > FIRST_RESERVED:
        raise RecordError("the GDT has too many entries", expected=f"at most {FIRST_RESERVED}", got=entries)
    for index, frame in enumerate(frames):
        _check_plain(f"gdt_frames[{index}]", frame, types)


def _type_of(what: str, pfn: int, types: NDArray[np.uint8]) -> int:
    if pfn >= len(types):
        expected = f"a PFN below 0x{len(types):x}"
        raise RecordError(f"{what} names a page that the domain does not have", expected=expected, got=f"0x{pfn:x}")
    return int(types[pfn])


def _check_table(what: str, pfn: int, types: NDArray[np.uint8], paging: Paging) -> None:
    found = _type_of(what, pfn, types)
    if found & LEVEL != paging.levels:
        message = f"{what} names PFN 0x{pfn:x}, which is no page table of the top level"
        raise RecordError(message, expected=f"type 0x{paging.levels:x} or 0x{paging.levels | 8:x}", got=f"0x{found:x}")


def _check_plain(what: str, pfn: int, types: NDArray[np.uint8]) -> None:
    found = _type_of(what, pfn, types)
    if found & LEVEL:
        raise RecordError(f"{what} names PFN 0x{pfn:x}, which is a page table", expected="type 0x0", got=f"0x{found:x}")
