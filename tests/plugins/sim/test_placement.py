"""Tests of domctx_sim.placement: where the parts of a new domain go."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from domctx.errors import DomainError
from domctx_sim.kernel_image import KernelImage
from domctx_sim.placement import Placement, place


@given(
    page=st.integers(0, 0xFBFFF),
    pages=st.integers(1, 1 << 20),
    kernel=st.integers(1, 9999),
    initrd=st.integers(0, 9999),
)
def test_nothing_overlaps(page: int, pages: int, kernel: int, initrd: int) -> None:
    """Where a domain is placed, its parts follow each other without touching; the formulas are those of 6.5."""
    image = KernelImage(page << 12, bytes(kernel))
    try:
        placement = place(image, pages, bytes(initrd))
    except DomainError:
        return
    offset = page & 1023
    assert placement.tables == (offset + pages + 1024) // 1024 + 1
    ends = [-(-kernel // 4096), placement.initrd, placement.p2m, placement.frame_list, placement.suspend_record]
    ends += [placement.start_info, placement.first_table, placement.directory, pages]
    assert ends == sorted(ends)
    assert placement.p2m - placement.initrd == -(-initrd // 4096)
    assert placement.frame_list - placement.p2m == -(-pages // 1024)
    assert placement.suspend_record + 1 == placement.start_info == placement.first_table - 1
    assert placement.directory - placement.first_table + 1 == placement.tables
    assert placement.address(pages + 1) <= 0xFC00_0000


def test_bug_9_of_the_seed() -> None:
    """start_info stands directly below the page tables, and the initrd is page-aligned and not behind the kernel."""
    placement = place(KernelImage(0xC000_0000, bytes(5000)), 64, bytes(5000))
    assert placement == Placement(0xC000_0000, 64, 2, 2, 5000)
    assert (placement.first_table, placement.start_info) == (62, 61)
    assert (placement.suspend_record, placement.frame_list, placement.p2m, placement.initrd) == (60, 59, 58, 56)


@pytest.mark.parametrize(
    ("address", "pages", "kernel", "initrd", "message"),
    [
        (0, 0, 1, 0, "memory is out of range; expected 1 .. 1048576 pages, got 0"),
        (0, (1 << 20) + 1, 1, 0, "memory is out of range"),
        (0xFBFF_F000, 1, 1, 0, "reaches into Xen's space; expected its end and shared_info below 0xfc000000"),
        (0xC000_0000, 0x3C000, 1, 0, "reaches into Xen's space; .* got 0xfc001000"),
        (
            0xC000_0000,
            6,
            1,
            0,
            "too small for the page tables.* expected more than 6 pages, got 6",
        ),
        (0xC000_0000, 7, 4097, 0, "kernel and initrd do not fit below the P2M; expected at most 1 pages, got 2"),
        (0xC000_0000, 7, 1, 1, "kernel and initrd do not fit below the P2M"),
    ],
)
def test_domains_that_cannot_be_placed(address: int, pages: int, kernel: int, initrd: int, message: str) -> None:
    """Bug 7 of the seed: what does not fit is refused, each with its own message."""
    with pytest.raises(DomainError, match=message):
        place(KernelImage(address, bytes(kernel)), pages, bytes(initrd))


def test_smallest_domain() -> None:
    """Seven pages hold a kernel of one page."""
    assert place(KernelImage(0xC000_0000, b"x"), 7, b"").p2m == 1
    assert place(KernelImage(0xC000_0000, b"x"), 0x3BFFF, b"").address(0x3C000) == 0xFC00_0000
