"""The page tables among many pages, taken out together by level, and their present entries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domctx.errors import DomctxError
from domctx.values import frozen
from domctx_x86 import PAGE_SHIFT, PTE_PRESENT, Paging

LEVEL_MASK: Final = 7
"""The bits of a PageType that tell the level; bit 3 says that the table is pinned."""

Words = NDArray[np.unsignedinteger[Any]]
"""Entries, of the width that the paging has: u32 or u64."""


@frozen(eq=False)
class Tables:
    """The tables of one ``level`` among some pages.

    ``rows`` their rows in the array they were taken from, ``pfns`` their PFNs, ``entries`` u32[n, 1024] or u64[n, 512]
    a copy of them with the hypervisor's slots zero, ``present`` the flat indexes of their present entries, ``values``
    those.
    """

    paging: Paging
    level: int
    rows: NDArray[np.intp]
    pfns: NDArray[np.uint32]
    entries: Words
    present: NDArray[np.intp]
    values: Words
    frames: NDArray[np.int64]
    """The frame numbers of the present entries; signed, since numpy indexes with them as they are."""

    @property
    def flags(self) -> Words:
        """The bits of the present entries that are not the frame's address."""
        return self.values & self._number(self.paging.flags_mask)

    @property
    def forbidden(self) -> Words:
        """The flags of the present entries that the hypervisor refuses."""
        return self.values & self._number(self.paging.forbidden[self.level - 1])

    def replace(self, flags: Words, frames: NDArray[np.unsignedinteger[Any]]) -> None:
        """Put new flags and frames into the present ones of ``entries``."""
        changed = frames.astype(self.values.dtype)
        changed <<= self._number(PAGE_SHIFT)
        changed |= flags
        self.entries.reshape(-1)[self.present] = changed

    def put_into(self, pages: Words, result: Words) -> Words:
        """``entries`` in their rows of ``result``, which is ``pages`` until there is a copy of them."""
        if len(self.rows) == len(pages):
            return self.entries
        result = pages.copy() if result is pages else result
        result[self.rows] = self.entries
        return result

    def _number(self, value: int) -> np.unsignedinteger[Any]:
        number: np.unsignedinteger[Any] = self.values.dtype.type(value)
        return number

    def refuse(self, bad: NDArray[np.bool_], error: type[DomctxError], message: str, hint: str | None = None) -> None:
        """Raise ``error`` where any present entry is bad, naming the first: its table's PFN, its index, its value."""
        if bad.any():
            first = int(np.argmax(bad))
            row, index = divmod(int(self.present[first]), self.entries.shape[1])
            place = f"L{self.level} table PFN 0x{int(self.pfns[row]):08x}, entry 0x{index:03x}"
            digits = 2 * self.paging.width
            raise error(f"{place}: {message}", got=f"0x{int(self.values[first]):0{digits}x}", hint=hint)


def is_table(types: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which of these page types are page tables, of whatever level."""
    tables: NDArray[np.bool_] = types & np.uint8(LEVEL_MASK) != 0
    return tables


def guest_tables(
    pages: Words,
    types: NDArray[np.uint8],
    pfns: NDArray[np.uint32],
    paging: Paging,
    m2p_frame: int | None = None,
) -> Iterator[Tables]:
    """The tables among ``pages`` whose ``types`` u8[n] say so, level by level from L1 up.

    ``m2p_frame`` is the MFN of the M2P's first frame, where tables may map it in the paging's ``m2p_slot``.
    """
    levels = types & np.uint8(LEVEL_MASK)
    for level in range(1, paging.levels + 1):
        rows = np.flatnonzero(levels == level)
        if rows.size:
            entries = np.ascontiguousarray(pages[rows], dtype=paging.entry)
            entries[:, paging.hypervisor_entries(level)] = 0
            if level == paging.levels - 1 and paging.m2p_slot is not None and m2p_frame is not None:
                _clear_m2p(entries, paging, paging.m2p_slot, m2p_frame)
            flat = entries.reshape(-1)
            present = _present(flat, paging)
            values = flat[present]
            yield Tables(paging, level, rows, pfns[rows], entries, present, values, _frames(values, paging))


def _present(flat: Words, paging: Paging) -> NDArray[np.intp]:
    """The indexes of present entries: the bit of each entry's first octet, as the boolean that it is."""
    bits = flat.view(np.uint8)[:: paging.width] & np.uint8(PTE_PRESENT)
    return np.flatnonzero(bits.view(np.bool_))  # a quarter of the time that octets take


def _frames(values: Words, paging: Paging) -> NDArray[np.int64]:
    word = values.dtype.type
    frames = values & word(paging.frame_mask)
    frames >>= word(PAGE_SHIFT)
    return frames.astype(np.int64)


def _clear_m2p(entries: Words, paging: Paging, slot: int, m2p_frame: int) -> None:
    """Zero what follows ``slot`` in those tables where that entry maps the M2P (formats/xen.md 4.5)."""
    word = entries.dtype.type
    named = (entries[:, slot] & word(paging.frame_mask)) >> word(PAGE_SHIFT) == word(m2p_frame)
    maps = named & (entries[:, slot] & word(PTE_PRESENT) != 0)
    entries[maps, slot:] = 0
