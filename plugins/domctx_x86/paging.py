"""The geometry of paravirtualised page tables: what tells i386 two-level from PAE and from four-level tables."""

from __future__ import annotations

from typing import Final

import attrs

from domctx_x86.pte import PTE_GLOBAL, PTE_PAT, PTE_PSE


@attrs.frozen
class Paging:
    """The page tables of one kind of paravirtualised guest under one hypervisor.

    ``width`` octets of an entry, ``levels`` of tables, ``shifts`` the lowest bit of a linear address that indexes the
    tables of each level (L1 first), ``hypervisor_slots`` the entries of a top-level table that are the hypervisor's
    (first, and the one past the last), ``hypervisor_start`` the linear address where they begin, ``forbidden`` the
    flags that the hypervisor refuses in a present entry and a restorer clears, by level (L1 first), ``max_pfns`` how
    many pages a guest has at most, ``max_mfns`` how many frames a machine has at most.
    """

    name: str
    width: int
    levels: int
    shifts: tuple[int, ...]
    hypervisor_slots: tuple[int, int]
    hypervisor_start: int
    forbidden: tuple[int, ...]
    max_pfns: int
    max_mfns: int

    @property
    def entries(self) -> int:
        """Entries of one table, which is one page."""
        return 4096 // self.width

    def used_entries(self, level: int) -> int:
        """How many entries of a table of ``level`` are the guest's own; the hypervisor's follow."""
        return self.hypervisor_slots[0] if level == self.levels else self.entries

    def index(self, address: int, level: int) -> int:
        """The entry that translates linear ``address`` in a table of ``level``."""
        return address >> self.shifts[level - 1] & self.entries - 1

    def p2m_frames(self, pfns: int) -> int:
        """How many frames hold the P2M of ``pfns`` pages: one for each group of entries that fit a page."""
        return -(-pfns // self.entries)


I386_2LEVEL: Final = Paging(
    name="i386 two-level",
    width=4,
    levels=2,
    shifts=(12, 22),
    hypervisor_slots=(1008, 1024),
    hypervisor_start=0xFC00_0000,
    forbidden=(PTE_GLOBAL | PTE_PAT, PTE_GLOBAL | PTE_PSE),
    max_pfns=1 << 20,
    max_mfns=1 << 20,
)
"""Xen of 2003 and 2004 on i386 (formats/xen.md 1.5, 1.8)."""

_KNOWN: Final = (I386_2LEVEL,)


def paging_of(width: int, levels: int) -> Paging | None:
    """The paging with entries of ``width`` octets and ``levels`` of tables; None where none is known."""
    return next((paging for paging in _KNOWN if (paging.width, paging.levels) == (width, levels)), None)
