"""Where everything of a new domain goes: pages by their place in the domain, addresses as the guest will see them.

From page 0 up: the kernel; free pages; the initrd; the P2M; of 2004 the frame list and the suspend record, of today
the lists of the P2M, the pages of the console's and of xenstore's ring, and the stack; start_info; the tables of each
level, L1 first and the last of each first; the top-level table. One page past the end shared_info is mapped.

The stack begins at start_info and grows down: of 2004 its first 8 KiB lie over the suspend record and the frame list,
which the machine needs only while it holds the domain suspended, and gives back.
Source: formats/xen.md 6.5, without the bugs of section 8: start_info stands directly below the page tables, the
initrd is page-aligned and as far from the kernel's BSS as it can be, and nothing overlaps.
"""

from __future__ import annotations

from typing import Final

from domctx.errors import DomainError
from domctx.values import frozen
from domctx_sim.kernel_image import KernelImage
from domctx_sim.lists import Lists, pages_of_lists
from domctx_sim.platforms import TWO_LEVEL, Platform
from domctx_x86 import PAGE_SHIFT, pages_of

STACK: Final = 2
"""Pages of the first stack of a guest of today."""
RINGS: Final = 2
"""The pages of the rings of the console and of xenstore, below the stack."""


@frozen
class Placement:
    """Page numbers of a domain of ``pages`` pages that is mapped from ``base`` on."""

    base: int
    """The linear address of page 0."""
    pages: int
    kernel_pages: int
    initrd_pages: int
    initrd_octets: int
    platform: Platform = TWO_LEVEL

    def tables_of(self, level: int) -> int:
        """Tables of a level, for every page and shared_info; there is one top-level table."""
        paging = self.platform.paging
        if level == paging.levels:
            return 1
        shift = paging.shifts[level]
        return (self.address(self.pages) >> shift) - (self.base >> shift) + 1

    @property
    def tables(self) -> int:
        """Page-table pages of all levels."""
        return sum(map(self.tables_of, range(1, self.platform.paging.levels + 1)))

    def first_of(self, level: int) -> int:
        """The page of the first table of a level; the others follow downwards."""
        above = range(level + 1, self.platform.paging.levels + 1)
        return self.directory - sum(map(self.tables_of, above))

    @property
    def directory(self) -> int:
        """The page of the top-level table, the page directory: the last one."""
        return self.pages - 1

    @property
    def first_table(self) -> int:
        """The lowest page-table page."""
        return self.pages - self.tables

    @property
    def start_info(self) -> int:
        """start_info's page."""
        return self.first_table - 1

    @property
    def suspend_record(self) -> int:
        """The suspend record's page."""
        return self.start_info - 1

    @property
    def frame_list(self) -> int:
        """The page that lists the P2M's frames."""
        return self.suspend_record - 1

    @property
    def p2m(self) -> int:
        """The first page of the P2M."""
        above = pages_of_lists(self.platform, self.p2m_frames) + RINGS + STACK if self.platform.today else 2
        return self.start_info - above - self.p2m_frames

    @property
    def p2m_frames(self) -> int:
        """Pages of the P2M."""
        return self.platform.paging.p2m_frames(self.pages)

    @property
    def p2m_pages(self) -> range:
        """The pages of the P2M."""
        return range(self.p2m, self.p2m + self.p2m_frames)

    @property
    def lists(self) -> Lists:
        """The pages that list those of the P2M of a guest of today: directly above it, the one on top last."""
        first = self.p2m + self.p2m_frames
        top = first + pages_of_lists(self.platform, self.p2m_frames) - 1
        return Lists(top, tuple(range(first, top)))

    @property
    def console(self) -> int:
        """The page of the console's ring."""
        return self.lists.top + 1

    @property
    def store(self) -> int:
        """The page of xenstore's ring."""
        return self.lists.top + 2

    @property
    def initrd(self) -> int:
        """The initrd's first page; where it would end if there is none."""
        return self.p2m - self.initrd_pages

    def address(self, page: int) -> int:
        """The linear address of a page."""
        return self.base + (page << PAGE_SHIFT)


def place(image: KernelImage, pages: int, initrd: bytes, platform: Platform = TWO_LEVEL) -> Placement:
    """Place a domain of ``pages`` pages. Raises DomainError where it cannot be."""
    paging = platform.paging
    if not 0 < pages <= paging.max_pfns:
        raise DomainError("the domain's memory is out of range", expected=f"1 .. {paging.max_pfns} pages", got=pages)
    kernel_pages, initrd_pages = pages_of(len(image.payload)), pages_of(len(initrd))
    placement = Placement(image.load_address, pages, kernel_pages, initrd_pages, len(initrd), platform)
    end = placement.address(pages + 1)
    if end > paging.hypervisor_start:
        raise DomainError(
            "the domain's memory reaches into Xen's space",
            expected=f"its end and shared_info below 0x{paging.hypervisor_start:08x}",
            got=f"0x{end:08x}",
            hint="give it less memory, or load the kernel lower",
        )
    if placement.p2m < 1:
        raise DomainError(
            "the memory is too small for the page tables, start_info and the P2M",
            expected=f"more than {pages - placement.p2m} pages",
            got=pages,
        )
    if placement.initrd < placement.kernel_pages:
        raise DomainError(
            "kernel and initrd do not fit below the P2M",
            expected=f"at most {placement.p2m} pages",
            got=placement.kernel_pages + placement.initrd_pages,
            hint="give the domain more memory",
        )
    return placement
