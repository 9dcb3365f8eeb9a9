"""P2M and M2P of one domain, over whole arrays of frame numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from domctx.errors import DomainError
from domctx_x86 import I386_2LEVEL, Paging

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_PFN: Final = 0xFFFF_FFFF
"""What ``FrameMap.pfn_of`` gives for a frame that is not the domain's."""
INSIDE: Final = "wrap"
"""How numpy takes by indexes of which it is known that they are inside: it does not look at each of them first."""


class FrameMap:
    """The frames of one domain: ``p2m`` u32[N] holds the MFN of every PFN.

    Raises DomainError for more pages than the paging allows, for an MFN past the machine's last possible frame, and
    for a frame that stands twice in the map (formats/xen.md 1.8, save steps 2 and 3). ``m2p_frame`` is the MFN of the
    M2P's first frame, where page tables of the domain may map it (formats/xen.md 4.5).
    """

    def __init__(
        self, p2m: NDArray[np.unsignedinteger[Any]], *, paging: Paging = I386_2LEVEL, m2p_frame: int | None = None
    ) -> None:
        if not 0 < len(p2m) <= paging.max_pfns:
            raise DomainError("the P2M has no page or too many", expected=f"1 .. {paging.max_pfns}", got=len(p2m))
        _refuse_out_of_range(p2m, paging)
        pfns = np.arange(len(p2m), dtype=np.uint32)
        m2p = np.full(int(p2m.max()) + 1, NO_PFN, dtype=np.uint32)
        m2p[p2m] = pfns
        _refuse_twice(p2m, m2p, pfns)
        self._p2m = np.array(p2m, dtype=np.uint32)
        self._m2p = m2p
        self.m2p_frame = m2p_frame

    @property
    def pfns(self) -> int:
        """N, the number of pages of the domain."""
        return len(self._p2m)

    @property
    def p2m(self) -> NDArray[np.uint32]:
        """u32[N], the MFN of every PFN, read-only."""
        view = self._p2m.view()
        view.flags.writeable = False
        return view

    def pfn_of(self, mfns: NDArray[np.integer[Any]]) -> NDArray[np.uint32]:
        """The PFN of every MFN; NO_PFN where the frame is not the domain's, whatever number it has."""
        if mfns.size and int(mfns.max()) >= len(self._m2p):
            inside = mfns < len(self._m2p)
            return np.where(inside, self._m2p[np.where(inside, mfns, mfns.dtype.type(0))], np.uint32(NO_PFN))
        found: NDArray[np.uint32] = self._m2p.take(mfns, mode=INSIDE)
        return found

    def mfn_of(self, pfns: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """The MFN of every PFN. Raises DomainError for a PFN past the domain's last page."""
        if pfns.size and int(pfns.max()) >= self.pfns:
            got = int(pfns.max())
            raise DomainError("no such page", expected=f"a PFN below 0x{self.pfns:08x}", got=f"0x{got:08x}")
        return self._p2m[pfns]


def _refuse_out_of_range(p2m: NDArray[np.unsignedinteger[Any]], paging: Paging) -> None:
    if int(p2m.max()) >= paging.max_mfns:
        pfn = int(np.argmax(p2m >= paging.max_mfns))
        raise DomainError(
            f"the P2M names a frame that no machine has, for PFN 0x{pfn:08x}",
            expected=f"an MFN below 0x{paging.max_mfns:08x}",
            got=f"0x{int(p2m[pfn]):08x}",
        )


def _refuse_twice(p2m: NDArray[np.unsignedinteger[Any]], m2p: NDArray[np.uint32], pfns: NDArray[np.uint32]) -> None:
    kept = m2p[p2m]
    if not np.array_equal(kept, pfns):
        pfn = int(np.argmax(kept != pfns))
        raise DomainError(
            f"MFN 0x{int(p2m[pfn]):08x} stands twice in the P2M, for PFNs 0x{pfn:08x} and 0x{int(kept[pfn]):08x}",
            hint="a frame of the machine backs one page at most",
        )
