"""The geometry of paravirtualised page tables: what tells i386 two-level from PAE and from four-level tables."""

from __future__ import annotations

from typing import Final

from domctx.values import frozen
from domctx_x86.pages import PAGE_SHIFT, PAGE_SIZE
from domctx_x86.pte import PTE_GLOBAL, PTE_PAT, PTE_PSE


@frozen
class Paging:
    """The page tables of one kind of paravirtualised guest under one hypervisor.

    ``width`` octets of an entry, ``levels`` of tables, ``shifts`` the lowest bit of a linear address that indexes the
    tables of each level (L1 first), ``frame_mask`` the bits of an entry that hold the frame's address,
    ``hypervisor_slots`` the entries of a top-level table that are the hypervisor's (first, and the one past the last),
    ``hypervisor_start`` the linear address where they begin, ``m2p_slot`` the entry from which on a table of the level
    below the top is the hypervisor's if that entry maps the M2P (None: there is no such table), ``forbidden`` the
    flags that the hypervisor refuses in a present entry, by level (L1 first), ``clears`` whether a restorer clears
    them or refuses them too, ``max_pfns`` how many pages a guest has at most, ``max_mfns`` how many frames a machine.
    """

    name: str
    width: int
    levels: int
    shifts: tuple[int, ...]
    frame_mask: int
    hypervisor_slots: tuple[int, int]
    hypervisor_start: int
    forbidden: tuple[int, ...]
    max_pfns: int
    max_mfns: int
    m2p_slot: int | None = None
    clears: bool = False

    @property
    def entries(self) -> int:
        """Entries of one table, which is one page."""
        return PAGE_SIZE // self.width

    @property
    def entry(self) -> str:
        """The type of an entry, as numpy names it: ``<u4``, ``<u8``."""
        return f"<u{self.width}"

    @property
    def flags_mask(self) -> int:
        """The bits of an entry that are not the frame's address."""
        return (1 << 8 * self.width) - 1 & ~self.frame_mask

    def hypervisor_entries(self, level: int) -> slice:
        """The entries of a table of ``level`` that are the hypervisor's, whatever they hold; all others the guest's."""
        return slice(*self.hypervisor_slots) if level == self.levels else slice(0, 0)

    def frame(self, entry: int) -> int:
        """The frame that an entry names."""
        return (entry & self.frame_mask) >> PAGE_SHIFT

    def index(self, address: int, level: int) -> int:
        """The entry that translates linear ``address`` in a table of ``level``."""
        return address >> self.shifts[level - 1] & self.entries - 1

    @property
    def word(self) -> int:
        """Octets of the guest's machine word, of which its P2M is made; a PAE guest's is half an entry."""
        return 8 if self.levels == 4 else 4

    def p2m_frames(self, pfns: int) -> int:
        """How many frames hold the P2M of ``pfns`` pages: one for each group of words that fit a page."""
        return -(-pfns // (PAGE_SIZE // self.word))


I386_2LEVEL: Final = Paging(
    name="i386 two-level",
    width=4,
    levels=2,
    shifts=(12, 22),
    frame_mask=0xFFFF_F000,
    hypervisor_slots=(1008, 1024),
    hypervisor_start=0xFC00_0000,
    forbidden=(PTE_GLOBAL | PTE_PAT, PTE_GLOBAL | PTE_PSE),
    max_pfns=1 << 20,
    max_mfns=1 << 20,
    clears=True,
)
"""Xen of 2003 and 2004 on i386 (formats/xen.md 1.5, 1.8)."""

_FRAME_MASK: Final = 0x000F_FFFF_FFFF_F000
"""Bits 12 to 51; above them stand NX (bit 63) and bits that are software's (formats/xen.md 4.5)."""
_MAX_MFNS: Final = 1 << 28
"""Frames of 1 TiB: a bound of ours."""

PAE: Final = Paging(
    name="PAE",
    width=8,
    levels=3,
    shifts=(12, 21, 30),
    frame_mask=_FRAME_MASK,
    hypervisor_slots=(4, 512),
    hypervisor_start=0xF580_0000,
    m2p_slot=428,
    forbidden=(0, PTE_PSE, PTE_PSE),
    max_pfns=1 << 24,
    max_mfns=_MAX_MFNS,
)
"""32-bit guests of today's Xen: L3 tables have four entries (formats/xen.md 4.5)."""

X86_64_4LEVEL: Final = Paging(
    name="four-level",
    width=8,
    levels=4,
    shifts=(12, 21, 30, 39),
    frame_mask=_FRAME_MASK,
    hypervisor_slots=(256, 272),
    hypervisor_start=0xFFFF_8000_0000_0000,
    forbidden=(0, PTE_PSE, PTE_PSE, PTE_PSE),
    max_pfns=1 << 27,
    max_mfns=_MAX_MFNS,
)
"""64-bit guests of today's Xen; the slots above the hypervisor's are the guest's again (formats/xen.md 4.5).

``max_pfns`` is what a P2M of three levels reaches, a page of frame lists: 512 GiB.
"""

KNOWN: Final = (I386_2LEVEL, PAE, X86_64_4LEVEL)
"""Every paging that is known."""


def paging_of(width: int, levels: int) -> Paging | None:
    """The paging with entries of ``width`` octets and ``levels`` of tables; None where none is known."""
    return next((paging for paging in KNOWN if (paging.width, paging.levels) == (width, levels)), None)
