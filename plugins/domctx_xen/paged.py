"""Writes pages as PAGE_DATA records: batches of up to 1024, as Xen's saver has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domctx.api import Buffer
from domctx.errors import DomainError
from domctx.schema import encode
from domctx.states import PageBatch, PageKind
from domctx_xen.layout import BROKEN, PAGE_DATA, PAGE_SIZE, TYPE_BITS, XALLOC, XTAB, Counted, RecordHeader

BATCH: Final = 1024
"""Pages of one record."""
_SPELLED: Final = (PageKind.DATA, PageKind.ZERO, PageKind.FILL)
_WITHOUT: Final = {PageKind.BROKEN: BROKEN, PageKind.POPULATE: XALLOC, PageKind.INVALID: XTAB}
UNTOLD: Final = 0xFF
REFUSED: Final = 0xFE


def _by_kind() -> NDArray[np.uint8]:
    found = np.full(256, REFUSED, np.uint8)
    found[list(_SPELLED)] = 0
    found[PageKind.ABSENT] = UNTOLD
    for kind, code in _WITHOUT.items():
        found[kind] = code
    found.flags.writeable = False
    return found


CODES: Final = _by_kind()
"""What stands in a page's word for a page of each kind that is no page table."""


def page_data(batches: Iterable[PageBatch], all_types: NDArray[np.uint8] | None) -> Iterator[Buffer]:
    """The records, piece by piece; a piece is valid until the next step.

    ``all_types`` u8[N] are the types by PFN; None: they come with the pages. Raises DomainError for a page that the
    format cannot hold.
    """
    buffer = np.empty((BATCH, PAGE_SIZE), np.uint8)
    for batch in batches:
        words = _words(batch, all_types)
        if not len(words):
            continue
        rows = _rows(batch, buffer)
        length = 8 + 8 * len(words) + rows.nbytes
        yield encode(RecordHeader(PAGE_DATA, length)) + encode(Counted(len(words)))
        yield words.data
        if rows.size:
            yield rows.data


def _words(batch: PageBatch, all_types: NDArray[np.uint8] | None) -> NDArray[np.uint64]:
    codes = CODES[batch.kinds]
    if (codes == REFUSED).any():
        place = int(np.argmax(codes == REFUSED))
        kind = PageKind(int(batch.kinds[place])).name
        raise DomainError(f"PFN 0x{batch.first + place:x} is {kind}: a Xen stream cannot hold such a page")
    types = batch.types if all_types is None else all_types[batch.first : batch.first + batch.count]
    if types is not None:
        codes = np.where(codes == 0, types, codes)
    told = np.flatnonzero(codes != UNTOLD)
    pfns = (told + batch.first).astype("<u8")
    found: NDArray[np.uint64] = pfns | codes[told].astype("<u8") << np.uint64(TYPE_BITS)
    return found


def _rows(batch: PageBatch, buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The octets of the pages that carry any, in order."""
    kinds = batch.kinds[np.isin(batch.kinds, _SPELLED)]
    data = kinds == PageKind.DATA
    if data.all():
        return batch.pages
    rows = buffer[: len(kinds)] if len(kinds) <= len(buffer) else np.empty((len(kinds), PAGE_SIZE), np.uint8)
    rows[data] = batch.pages
    rows[kinds == PageKind.ZERO] = 0
    if batch.fills is not None and len(batch.fills):
        rows[kinds == PageKind.FILL] = batch.fills[:, np.newaxis]
    return rows
