"""The size of a page; the same at every level of every x86 that concerns us (formats/xen.md, conventions)."""

from typing import Final

PAGE_SHIFT: Final = 12
"""Bits of an address within its page."""

PAGE_SIZE: Final = 1 << PAGE_SHIFT
"""Octets of a page."""

PAGE_MASK: Final = PAGE_SIZE - 1
"""The bits of an address within its page."""


def pages_of(octets: int) -> int:
    """How many pages ``octets`` octets take, the last one perhaps in part."""
    return -(-octets >> PAGE_SHIFT)
