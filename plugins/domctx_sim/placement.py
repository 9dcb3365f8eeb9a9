"""Where everything of a new domain goes: pages by their place in the domain, addresses as the guest will see them.

From page 0 up: the kernel; free pages; the initrd; the P2M, the frame list and the suspend record; start_info; the
L1 tables, the last of which comes first; the page directory. One page past the end shared_info is mapped.

The stack begins at start_info and grows down: its first 8 KiB lie over the suspend record and the frame list, which
the machine needs only while it holds the domain suspended, and gives back.
Source: formats/xen.md 6.5, without the bugs of section 8: start_info stands directly below the page tables, the
initrd is page-aligned and as far from the kernel's BSS as it can be, and nothing overlaps.
"""

from __future__ import annotations

import attrs

from domctx.errors import DomainError
from domctx_sim.kernel_image import KernelImage
from domctx_x86 import I386_2LEVEL, PAGE_SHIFT, pages_of


@attrs.frozen
class Placement:
    """Page numbers of a domain of ``pages`` pages that is mapped from ``base`` on."""

    base: int
    """The linear address of page 0."""
    pages: int
    kernel_pages: int
    initrd_pages: int
    initrd_octets: int

    @property
    def tables(self) -> int:
        """Page-table pages: L1 tables for every page and shared_info, and the directory."""
        first = I386_2LEVEL.index(self.base, 1)
        return (first + self.pages + I386_2LEVEL.entries) // I386_2LEVEL.entries + 1

    @property
    def directory(self) -> int:
        """The page directory's page: the last one."""
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
        return self.frame_list - I386_2LEVEL.p2m_frames(self.pages)

    @property
    def initrd(self) -> int:
        """The initrd's first page; where it would end if there is none."""
        return self.p2m - self.initrd_pages

    def address(self, page: int) -> int:
        """The linear address of a page."""
        return self.base + (page << PAGE_SHIFT)


def place(image: KernelImage, pages: int, initrd: bytes) -> Placement:
    """Place a domain of ``pages`` pages. Raises DomainError where it cannot be."""
    if not 0 < pages <= I386_2LEVEL.max_pfns:
        raise DomainError(
            "the domain's memory is out of range", expected=f"1 .. {I386_2LEVEL.max_pfns} pages", got=pages
        )
    placement = Placement(image.load_address, pages, pages_of(len(image.payload)), pages_of(len(initrd)), len(initrd))
    end = placement.address(pages + 1)
    if end > I386_2LEVEL.hypervisor_start:
        raise DomainError(
            "the domain's memory reaches into Xen's space",
            expected=f"its end and shared_info below 0x{I386_2LEVEL.hypervisor_start:08x}",
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
