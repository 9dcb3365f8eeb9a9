"""The flags of a page-table entry, the same at every width (formats/xen.md 1.5)."""

from typing import Final

PTE_PRESENT: Final = 0x001
PTE_RW: Final = 0x002
PTE_USER: Final = 0x004
PTE_PWT: Final = 0x008
PTE_PCD: Final = 0x010
PTE_ACCESSED: Final = 0x020
PTE_DIRTY: Final = 0x040
PTE_PAT: Final = 0x080
"""In an L1 entry: the page attribute table's bit."""
PTE_PSE: Final = 0x080
"""In an L2 entry: it maps one large page and not an L1 table."""
PTE_GLOBAL: Final = 0x100

PTE_FLAGS_MASK: Final = 0xFFF
"""The bits of a 32-bit entry that are not the frame's address."""
