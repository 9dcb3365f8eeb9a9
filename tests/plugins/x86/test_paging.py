"""The geometry of page tables: i386 two-level, PAE and four-level."""

from __future__ import annotations

import pytest

from domctx_x86 import I386_2LEVEL, PAE, X86_64_4LEVEL, Paging, paging_of


def test_two_levels_of_1024_entries_translate_32_bits() -> None:
    """10 bits of an address index the L2 table, 10 the L1 table, 12 the page."""
    assert I386_2LEVEL.entries == 1024
    assert [I386_2LEVEL.index(0xC0123456, level) for level in (1, 2)] == [0x123, 0x300]


def test_the_hypervisor_has_the_last_64_mebibytes() -> None:
    """The slots from 1008 on of an L2 table begin where the hypervisor begins; an L1 table is the guest's alone."""
    first, past = I386_2LEVEL.hypervisor_slots
    assert first << 22 == I386_2LEVEL.hypervisor_start
    assert past << 22 == 1 << 32
    assert [I386_2LEVEL.hypervisor_entries(level) for level in (1, 2)] == [slice(0, 0), slice(1008, 1024)]


@pytest.mark.parametrize(("pfns", "frames"), [(1, 1), (1024, 1), (1025, 2), (1 << 20, 1024)])
def test_the_p2m_takes_a_frame_for_each_1024_pages(pfns: int, frames: int) -> None:
    """A group of entries that is begun takes a whole frame."""
    assert I386_2LEVEL.p2m_frames(pfns) == frames


@pytest.mark.parametrize(("paging", "frames"), [(I386_2LEVEL, 3), (PAE, 3), (X86_64_4LEVEL, 5)])
def test_the_p2m_is_made_of_the_guests_words(paging: Paging, frames: int) -> None:
    """A 32-bit guest has 1024 words on a page whatever its page tables are like, a 64-bit guest 512."""
    assert paging.p2m_frames(2049) == frames


def test_paging_is_found_by_width_and_levels() -> None:
    """Only the paging that is known is found."""
    assert paging_of(4, 2) is I386_2LEVEL
    assert paging_of(8, 3) is PAE
    assert paging_of(8, 4) is X86_64_4LEVEL
    assert paging_of(4, 3) is None


@pytest.mark.parametrize(
    ("paging", "address", "indexes"),
    [(PAE, 0xF5801234, [1, 428, 3]), (X86_64_4LEVEL, 0xFFFF_8000_0000_3000, [3, 0, 0, 256])],
)
def test_xens_addresses_begin_at_its_slots(paging: Paging, address: int, indexes: list[int]) -> None:
    """The slots that are Xen's translate the addresses that are Xen's (formats/xen.md 4.5)."""
    assert [paging.index(address, level) for level in range(1, paging.levels + 1)] == indexes
    assert address >= paging.hypervisor_start


def test_an_entry_of_eight_octets_names_a_frame_in_its_middle() -> None:
    """Bits 12 to 51 are the frame; all others, NX the highest, are flags."""
    entry = 1 << 63 | 0x7FF << 52 | 0xAB_CDEF_0123 << 12 | 0x067
    assert X86_64_4LEVEL.frame(entry) == 0xAB_CDEF_0123
    assert entry & X86_64_4LEVEL.flags_mask == 1 << 63 | 0x7FF << 52 | 0x067
    assert [paging.entry for paging in (I386_2LEVEL, PAE)] == ["<u4", "<u8"]
