"""Selectors and descriptor tables."""

import pytest

import domctx_x86 as x86


def test_flat_selectors_ask_for_their_ring() -> None:
    """The flat selectors of ring 1 and ring 3 lie among Xen's own GDT entries."""
    rings = [x86.rpl(selector) for selector in (x86.FLAT_RING1_CS, x86.FLAT_RING1_DS)]
    assert rings == [1, 1]
    assert [x86.rpl(selector) for selector in (x86.FLAT_RING3_CS, x86.FLAT_RING3_DS)] == [3, 3]
    for selector in (x86.FLAT_RING1_CS, x86.FLAT_RING1_DS, x86.FLAT_RING3_CS, x86.FLAT_RING3_DS):
        assert x86.RESERVED_GDT_FIRST <= selector >> 3 <= x86.RESERVED_GDT_LAST


@pytest.mark.parametrize(("entries", "frames"), [(0, 0), (1, 1), (512, 1), (513, 2), (8192, 16)])
def test_a_gdt_takes_a_frame_for_each_512_entries(entries: int, frames: int) -> None:
    """A group of entries that is begun takes a whole frame."""
    assert x86.gdt_frame_count(entries) == frames
    assert x86.DESCRIPTORS_PER_PAGE * x86.DESCRIPTOR_SIZE == x86.PAGE_SIZE
