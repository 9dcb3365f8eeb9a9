"""Segment selectors and descriptor tables as Xen of 2003 and 2004 has them on i386 (formats/xen.md 1.4, 1.5)."""

from typing import Final

DESCRIPTOR_SIZE: Final = 8
"""Octets of a descriptor."""

DESCRIPTORS_PER_PAGE: Final = 512
"""Descriptors of one frame of a GDT or LDT."""

MAX_DESCRIPTORS: Final = 8192
"""Entries that a GDT or LDT has at most."""

RESERVED_GDT_FIRST: Final = 256
"""The first GDT entry that is Xen's own."""

RESERVED_GDT_LAST: Final = 295
"""The last GDT entry that is Xen's own."""

FLAT_RING1_CS: Final = 0x0819
FLAT_RING1_DS: Final = 0x0821
FLAT_RING3_CS: Final = 0x082B
FLAT_RING3_DS: Final = 0x0833


def gdt_frame_count(entries: int) -> int:
    """How many frames a GDT of ``entries`` descriptors takes: one for each 512 begun, stored densely."""
    return -(-entries // DESCRIPTORS_PER_PAGE)


def rpl(selector: int) -> int:
    """The privilege level that a selector asks for: its two low bits."""
    return selector & 3
