"""The rules of a restore that concern single frame numbers of PAGE_TABLES (formats/xen.md 1.8, step 13).

``types`` u8[N] is the PageType of every PFN throughout. Each raises RecordError. What a vCPU's context names (suspend
record, GDT, page-table base) is checked by ``domctx_cpu.rules.check_context``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from domctx.errors import RecordError
from domctx.states import PageType
from domctx_page_tables.tables import LEVEL_MASK
from domctx_x86 import I386_2LEVEL, Paging

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Types = NDArray[np.uint8]


def check_pfn(what: str, pfn: int, pfns: int) -> None:
    """Refuse a page that the domain of ``pfns`` pages does not have."""
    if not 0 <= pfn < pfns:
        raise RecordError(f"{what} is no page of the domain", expected=f"a PFN below 0x{pfns:08x}", got=f"0x{pfn:08x}")


def check_frame_list(frame_list: Sequence[int], types: Types, *, paging: Paging = I386_2LEVEL) -> None:
    """The frame list names one page for each group of P2M entries; none of them is a page table (step 13)."""
    expected = paging.p2m_frames(len(types))
    if len(frame_list) != expected:
        raise RecordError("the frame list has the wrong length", expected=expected, got=len(frame_list))
    for position, pfn in enumerate(frame_list):
        check_plain(f"frame_list[{position}]", pfn, types)


def check_plain(what: str, pfn: int, types: Types) -> None:
    """Refuse a page that is not there, or that is a page table."""
    check_pfn(what, pfn, len(types))
    if int(types[pfn]) & LEVEL_MASK:
        raise RecordError(
            f"{what} names PFN 0x{pfn:08x}, which is a page table", expected="NOTAB", got=type_name(types[pfn])
        )


def type_name(type: int) -> str:
    """How messages and ``show`` name a page type: ``L1TAB``, ``L1TAB pinned``, ``type 7`` where it has no name."""
    level, pinned = int(type) & LEVEL_MASK, int(type) & PageType.PINNED
    name = PageType(level).name if level <= PageType.L4TAB else f"type {level}"
    return f"{name} pinned" if pinned else name
