"""What a context of Xen 2004 must obey before a machine takes it (formats/xen.md 1.8 steps 10 to 14)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from domctx.errors import RecordError
from domctx.states import PageType
from domctx_cpu.layout import HYPERVISOR_VIRT_START, FullExecutionContext, TrapInfo
from domctx_x86 import (
    DESCRIPTOR_SIZE,
    FLAT_RING1_CS,
    FLAT_RING1_DS,
    MAX_DESCRIPTORS,
    PAGE_MASK,
    PAGE_SHIFT,
    gdt_frame_count,
    rpl,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def sanitise(context: FullExecutionContext) -> FullExecutionContext:
    """The context as a machine may run it (formats/xen.md 1.8 step 14).

    Every trap gets its own index as vector; a code or stack selector that asks for ring 0 becomes Xen's flat ring-1
    segment. Raises RecordError where the LDT is not page aligned, too long, or reaches into Xen's addresses.
    """
    _check_ldt(context.ldt_base, context.ldt_ents)
    traps = tuple(
        TrapInfo(vector, trap.flags, _ring1(trap.cs, FLAT_RING1_CS), trap.address)
        for vector, trap in enumerate(context.trap_ctxt)
    )
    return attrs.evolve(
        context,
        trap_ctxt=traps,
        guestos_ss=_ring1(context.guestos_ss, FLAT_RING1_DS),
        event_callback_cs=_ring1(context.event_callback_cs, FLAT_RING1_CS),
        failsafe_callback_cs=_ring1(context.failsafe_callback_cs, FLAT_RING1_CS),
    )


def _ring1(selector: int, flat: int) -> int:
    return selector if rpl(selector) else flat


def _check_ldt(base: int, entries: int) -> None:
    if base & PAGE_MASK:
        raise RecordError("the LDT is not page aligned", expected="ldt_base & 0xfff == 0", got=f"0x{base:08x}")
    if entries > MAX_DESCRIPTORS:
        limit = f"ldt_ents at most 0x{MAX_DESCRIPTORS:08x}"
        raise RecordError("the LDT has too many entries", expected=limit, got=f"0x{entries:08x}")
    if base > HYPERVISOR_VIRT_START:
        limit = f"ldt_base at most 0x{HYPERVISOR_VIRT_START:08x}"
        raise RecordError("the LDT lies in the hypervisor's addresses", expected=limit, got=f"0x{base:08x}")
    end = base + DESCRIPTOR_SIZE * entries
    if end > HYPERVISOR_VIRT_START:
        limit = f"its end at most 0x{HYPERVISOR_VIRT_START:08x}"
        raise RecordError("the LDT reaches into the hypervisor's addresses", expected=limit, got=f"0x{end:08x}")


def check_context(context: FullExecutionContext, pfns: int, types: Sequence[int] | NDArray[np.uint8]) -> None:
    """Check every frame that a canonical context names, for a domain of ``pfns`` pages with page ``types`` (u8[pfns]).

    The suspend record (``cpu_ctxt.esi``) and the GDT's frames, where the context has any, are ordinary pages; the page
    directory (``pt_base`` >> 12) is an L2 table (formats/xen.md 1.8 steps 10 to 12). Raises RecordError.
    """
    _check_frame("the suspend record (cpu_ctxt.esi)", context.cpu_ctxt.esi, pfns, types, PageType.NOTAB)
    if context.gdt_ents > MAX_DESCRIPTORS:
        limit = f"gdt_ents at most 0x{MAX_DESCRIPTORS:08x}"
        raise RecordError("the GDT has too many entries", expected=limit, got=f"0x{context.gdt_ents:08x}")
    for index, frame in enumerate(context.gdt_frames[: gdt_frame_count(context.gdt_ents)]):
        _check_frame(f"a GDT frame (gdt_frames[{index}])", frame, pfns, types, PageType.NOTAB)
    _check_frame("the page directory (pt_base)", context.pt_base >> PAGE_SHIFT, pfns, types, PageType.L2TAB)


def _check_frame(what: str, pfn: int, pfns: int, types: Any, wanted: PageType) -> None:
    if pfn >= pfns:
        limit = f"a PFN below 0x{pfns:08x}"
        raise RecordError(f"{what} lies outside the domain's memory", expected=limit, got=f"0x{pfn:08x}")
    found = int(types[pfn]) & ~PageType.PINNED
    if found != wanted:
        name = f"page type 0x{wanted:02x} ({wanted.name}) at PFN 0x{pfn:08x}"
        raise RecordError(f"{what} has the wrong page type", expected=name, got=f"0x{found:02x}")
