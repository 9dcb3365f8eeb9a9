"""Canonicalise and localise page tables: MFN to PFN on the way out, PFN to MFN on the way in.

All functions work on many pages at once; ``pages`` is u32[n, 1024], or u64[n, 512] where the paging has entries of
8 octets; ``types`` u8[n] and ``pfns`` u32[n] tell what the pages are. Pages that are no page tables pass as they are.
Source: formats/xen.md 1.8 (two levels) and 4.5 (PAE and four levels).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from domctx.errors import DomainError, RecordError
from domctx.states import PageType
from domctx_page_tables.frame_map import INSIDE, NO_PFN, FrameMap
from domctx_page_tables.tables import LEVEL_MASK, Tables, guest_tables
from domctx_x86 import I386_2LEVEL, PTE_PSE, PTE_RW, Paging

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pages = NDArray[np.unsignedinteger[Any]]
    Types = NDArray[np.uint8]
    Pfns = NDArray[np.uint32]


def canonicalise(pages: Pages, types: Types, pfns: Pfns, frame_map: FrameMap, *, paging: Paging = I386_2LEVEL) -> Pages:
    """The pages with PFNs in their present entries, and zeros in the slots that are the hypervisor's.

    Returns ``pages`` itself where no table is among them, else a copy. Raises DomainError for a table of a level that
    the paging does not have, for a large page, and for a present entry to a frame that is not the domain's.
    """
    refuse_deep_tables(types, pfns, paging, DomainError)
    result = pages
    for tables in guest_tables(pages, types, pfns, paging, frame_map.m2p_frame):
        _refuse_large_pages(tables, DomainError)
        frames = frame_map.pfn_of(tables.frames)
        tables.refuse(frames == NO_PFN, DomainError, "a present entry points to a frame that is not the domain's")
        tables.replace(tables.flags, frames)
        result = tables.put_into(pages, result)
    return result


def foreign_entries(
    pages: Pages, types: Types, pfns: Pfns, frame_map: FrameMap, *, paging: Paging = I386_2LEVEL
) -> tuple[Pfns, NDArray[np.uint32], Pages]:
    """The present entries that point to frames outside the map: (PFN of the table, index, value), each [k]."""
    found = [_foreign(tables, frame_map) for tables in guest_tables(pages, types, pfns, paging, frame_map.m2p_frame)]
    columns = zip(*found, strict=True) if found else ((np.empty(0, dtype=np.uint32),),) * 3
    tables_pfns, indexes, values = (np.concatenate(column) for column in columns)
    return tables_pfns, indexes, values


def localise(
    pages: Pages, types: Types, pfns: Pfns, all_types: Types, p2m: NDArray[np.uint32], *, paging: Paging = I386_2LEVEL
) -> Pages:
    """The pages with MFNs in their present entries, and the hypervisor's slots zero; all other bits are kept.

    Forbidden flags are cleared where the paging's restorer clears them.
    ``all_types`` u8[N] are the types of all pages of the domain, ``p2m`` u32[N] their frames. Returns ``pages`` itself
    where no table is among them, else a copy. Raises RecordError where ``check`` would.
    """
    refuse_deep_tables(types, pfns, paging, RecordError)
    result = pages
    for tables in guest_tables(pages, types, pfns, paging):
        _check_entries(tables, all_types)
        tables.replace(tables.flags ^ tables.forbidden if paging.clears else tables.flags, p2m.take(tables.frames))
        result = tables.put_into(pages, result)
    return result


def check(pages: Pages, types: Types, pfns: Pfns, all_types: Types, *, paging: Paging = I386_2LEVEL) -> None:
    """The rules of a restore for canonical page tables, without any frames (formats/xen.md 1.8 step 8, and 4.5).

    Raises RecordError for a table of a level that the paging does not have, for an entry to a page that the domain
    does not have, for a writable mapping of a page table, for an entry above L1 to a page that is no table of the
    level below, and for a large page unless the restorer clears its flag.
    """
    refuse_deep_tables(types, pfns, paging, RecordError)
    for tables in guest_tables(pages, types, pfns, paging):
        _check_entries(tables, all_types)


def refuse_deep_tables(types: Types, pfns: Pfns, paging: Paging, error: type[DomainError] | type[RecordError]) -> None:
    """Raise ``error`` for a page typed as a table of more levels than the paging has."""
    levels = types & np.uint8(LEVEL_MASK)
    if levels.size and int(levels.max()) > paging.levels:
        first = int(np.argmax(levels > paging.levels))
        raise error(
            f"PFN 0x{int(pfns[first]):08x} is typed as a table that {paging.name} paging does not have",
            expected=f"at most L{paging.levels}TAB",
            got=f"type {int(types[first])}",
        )


def _refuse_large_pages(tables: Tables, error: type[DomainError] | type[RecordError]) -> None:
    if tables.level >= PageType.L2TAB:
        large = (tables.values & tables.values.dtype.type(PTE_PSE)) != 0
        tables.refuse(large, error, "an entry maps a large page (PSE), which no saved state can hold")


def _foreign(tables: Tables, frame_map: FrameMap) -> tuple[Pfns, NDArray[np.uint32], Pages]:
    outside = np.flatnonzero(frame_map.pfn_of(tables.frames) == NO_PFN)
    rows, indexes = np.divmod(tables.present[outside], tables.entries.shape[1])
    return tables.pfns[rows], indexes.astype(np.uint32), tables.values[outside]


def _check_entries(tables: Tables, all_types: Types) -> None:
    if not tables.paging.clears:
        _refuse_large_pages(tables, RecordError)
    frames = tables.frames
    tables.refuse(
        frames >= len(all_types),
        RecordError,
        f"a present entry points past the domain's last page, 0x{len(all_types) - 1:08x}",
    )
    targets = all_types.take(frames, mode=INSIDE)
    targets &= np.uint8(LEVEL_MASK)
    if tables.level == PageType.L1TAB:
        bad = targets != PageType.NOTAB
        if bad.any():
            bad &= (tables.values & tables.values.dtype.type(PTE_RW)) != 0
        tables.refuse(bad, RecordError, "a page table is mapped writable", "a guest may map its page tables read-only")
    else:
        bad = targets != tables.level - 1
        tables.refuse(bad, RecordError, f"an entry points to a page that is no L{tables.level - 1} table")
