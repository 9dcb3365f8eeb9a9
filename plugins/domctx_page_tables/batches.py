"""Canonicalise and localise whole batches of pages, whatever their kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from domctx.errors import RecordError
from domctx.states import PageBatch, PageKind
from domctx_page_tables import canonical
from domctx_page_tables.tables import is_table
from domctx_x86 import I386_2LEVEL, PAGE_SIZE, Paging

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from domctx_page_tables.frame_map import FrameMap


def canonicalise_batch(
    batch: PageBatch, all_types: NDArray[np.uint8], frame_map: FrameMap, *, paging: Paging = I386_2LEVEL
) -> PageBatch:
    """The batch with PFNs in its page tables; ``all_types`` u8[N] are the types by PFN.

    Raises as ``canonicalise`` and ``expand_tables``.
    """
    batch = expand_tables(batch, all_types)
    pages, types, pfns = _words(batch, all_types, paging)
    done = canonical.canonicalise(pages, types, pfns, frame_map, paging=paging)
    return batch if done is pages else attrs.evolve(batch, pages=done.view(np.uint8))


def localise_batch(
    batch: PageBatch, all_types: NDArray[np.uint8], p2m: NDArray[np.uint32], *, paging: Paging = I386_2LEVEL
) -> PageBatch:
    """The batch with MFNs in its page tables; ``p2m`` u32[N].

    Raises as ``localise`` and ``expand_tables``.
    """
    batch = expand_tables(batch, all_types)
    pages, types, pfns = _words(batch, all_types, paging)
    done = canonical.localise(pages, types, pfns, all_types, p2m, paging=paging)
    return batch if done is pages else attrs.evolve(batch, pages=done.view(np.uint8))


def check_batch(batch: PageBatch, all_types: NDArray[np.uint8], *, paging: Paging = I386_2LEVEL) -> None:
    """The rules of a restore over the batch's page tables. Raises as ``check`` and ``expand_tables``."""
    batch = expand_tables(batch, all_types)
    canonical.check(*_words(batch, all_types, paging), all_types, paging=paging)


def expand_tables(batch: PageBatch, all_types: NDArray[np.uint8]) -> PageBatch:
    """The batch with FILL pages that are page tables given as DATA; the batch itself where there are none.

    Raises RecordError where the batch reaches past the pages that have a type.
    """
    if batch.first + batch.count > len(all_types):
        last = batch.first + batch.count - 1
        raise RecordError("pages that have no type", expected=f"PFNs below 0x{len(all_types):08x}", got=f"0x{last:08x}")
    filled = batch.kinds == PageKind.FILL
    if batch.fills is None or not filled.any():
        return batch
    tables = filled & is_table(all_types[batch.first : batch.first + batch.count])
    if not tables.any():
        return batch
    kinds = np.where(tables, np.uint8(PageKind.DATA), batch.kinds)
    data = kinds == PageKind.DATA
    pages = np.empty((int(data.sum()), PAGE_SIZE), dtype=np.uint8)
    was_filled = tables[data]
    pages[~was_filled] = batch.pages
    pages[was_filled] = batch.fills[tables[filled]][:, np.newaxis]
    return attrs.evolve(batch, kinds=kinds, pages=pages, fills=batch.fills[~tables[filled]])


def _words(
    batch: PageBatch, all_types: NDArray[np.uint8], paging: Paging
) -> tuple[NDArray[np.unsignedinteger[Any]], NDArray[np.uint8], NDArray[np.uint32]]:
    """The DATA pages as entries, u32[n, 1024] or u64[n, 512], their types and their PFNs."""
    pfns = batch.first + np.flatnonzero(batch.kinds == PageKind.DATA)
    return batch.pages.view(paging.entry), all_types[pfns], pfns.astype(np.uint32)
