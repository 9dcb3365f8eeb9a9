"""The page tables among many pages, taken out together by level, and their present entries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import attrs
import numpy as np

from domctx.errors import DomctxError
from domctx_x86 import PTE_FLAGS_MASK, PTE_PRESENT, Paging

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL_MASK: Final = 7
"""The bits of a PageType that tell the level; bit 3 says that the table is pinned."""

FRAME_SHIFT: Final = 12


@attrs.frozen(eq=False)
class Tables:
    """The tables of one ``level`` among some pages.

    ``rows`` their rows in the array they were taken from, ``pfns`` their PFNs, ``entries`` u32[n, 1024] a copy of
    them with the hypervisor's slots zero, ``present`` the flat indexes of their present entries, ``values`` those.
    """

    paging: Paging
    level: int
    rows: NDArray[np.intp]
    pfns: NDArray[np.uint32]
    entries: NDArray[np.uint32]
    present: NDArray[np.intp]
    values: NDArray[np.uint32]

    @property
    def frames(self) -> NDArray[np.uint32]:
        """The frame numbers of the present entries."""
        return self.values >> np.uint32(FRAME_SHIFT)

    @property
    def flags(self) -> NDArray[np.uint32]:
        """The low 12 bits of the present entries."""
        return self.values & np.uint32(PTE_FLAGS_MASK)

    def replace(self, flags: NDArray[np.uint32], frames: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """``entries`` with new flags and frames in the present ones; the same array, changed."""
        self.entries.reshape(-1)[self.present] = flags | frames << np.uint32(FRAME_SHIFT)
        return self.entries

    def refuse(self, bad: NDArray[np.bool_], error: type[DomctxError], message: str, hint: str | None = None) -> None:
        """Raise ``error`` where any present entry is bad, naming the first: its table's PFN, its index, its value."""
        if bad.any():
            first = int(np.argmax(bad))
            row, index = divmod(int(self.present[first]), self.entries.shape[1])
            place = f"L{self.level} table PFN 0x{int(self.pfns[row]):08x}, entry 0x{index:03x}"
            raise error(f"{place}: {message}", got=f"0x{int(self.values[first]):08x}", hint=hint)


def is_table(types: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which of these page types are page tables, of whatever level."""
    tables: NDArray[np.bool_] = types & np.uint8(LEVEL_MASK) != 0
    return tables


def guest_tables(
    pages: NDArray[np.uint32], types: NDArray[np.uint8], pfns: NDArray[np.uint32], paging: Paging
) -> Iterator[Tables]:
    """The tables among ``pages`` u32[n, 1024] whose ``types`` u8[n] say so, level by level from L1 up."""
    levels = types & np.uint8(LEVEL_MASK)
    for level in range(1, paging.levels + 1):
        rows = np.flatnonzero(levels == level)
        if rows.size:
            entries = np.ascontiguousarray(pages[rows], dtype=np.uint32)
            entries[:, paging.used_entries(level) :] = 0
            flat = entries.reshape(-1)
            present = np.flatnonzero(flat & np.uint32(PTE_PRESENT))
            yield Tables(paging, level, rows, pfns[rows], entries, present, flat[present])
