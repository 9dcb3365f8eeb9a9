"""Flags of page-table entries."""

import domctx_x86 as x86


def test_flags_are_the_low_bits_of_an_entry() -> None:
    """The flags of formats/xen.md 1.5 lie below the frame's address; PAT of L1 and PSE of L2 are one bit."""
    flags = (
        x86.PTE_PRESENT,
        x86.PTE_RW,
        x86.PTE_USER,
        x86.PTE_PWT,
        x86.PTE_PCD,
        x86.PTE_ACCESSED,
        x86.PTE_DIRTY,
        x86.PTE_PSE,
        x86.PTE_GLOBAL,
    )
    assert flags == tuple(1 << bit for bit in range(9))
    assert x86.PTE_PAT == x86.PTE_PSE
    assert x86.PTE_FLAGS_MASK == x86.PAGE_MASK == 0xFFF
