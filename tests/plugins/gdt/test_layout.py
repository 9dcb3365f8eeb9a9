"""The GDT record's layout."""

from __future__ import annotations

from domctx.schema import decode, offset_of, size_of
from domctx_gdt.layout import MAX_FRAMES, GdtBody
from domctx_x86 import MAX_DESCRIPTORS, gdt_frame_count


def test_the_body_has_room_for_the_largest_gdt() -> None:
    """A body has 136 octets: entries, four reserved octets, and the sixteen frames of 8192 entries."""
    assert size_of(GdtBody) == 136
    assert offset_of(GdtBody, "frames") == 8
    assert gdt_frame_count(MAX_DESCRIPTORS) == MAX_FRAMES


def test_a_body_written_by_hand_is_read() -> None:
    """600 entries in the frames 0x2a and 0x10000002b, composed from the layout's table."""
    octets = bytes.fromhex("58020000 00000000 2a00000000000000 2b00000001000000") + bytes(112)
    found = decode(GdtBody, octets)
    assert (found.entries, found.frames[:3]) == (600, (0x2A, 0x1_0000_002B, 0))
