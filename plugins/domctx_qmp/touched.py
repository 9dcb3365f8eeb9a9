"""Which pages of a block that only QEMU has may hold anything but zeros (proc(5), ``/proc/PID/pagemap``)."""

from __future__ import annotations

import mmap
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domctx_qmp.host import Mapped, open_mapped
from domctx_qmp.ram_file import PAGE_SIZE, RamFile

ENTRY: Final = np.dtype("<u8")
"""What is told of one page of the host."""
THERE: Final = 1 << 62
"""From here on an entry tells that its page is in memory, or swapped out (bits 63 and 62)."""
AT_ONCE: Final = 1 << 17
"""Entries that are read at once."""


def touched_pages(pid: int, mapped: Mapped, start: int, size: int) -> NDArray[np.bool_]:
    """Of each page from address ``start`` on whether the process touched it, or maps a file that has octets there.

    All of them where nothing tells.
    """
    pages = size // PAGE_SIZE
    found = np.ones(pages, np.bool_)
    if mmap.PAGESIZE != PAGE_SIZE:
        return found
    try:
        with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as file:
            file.seek(start // PAGE_SIZE * ENTRY.itemsize)
            for low in range(0, pages, AT_ONCE):
                entries = np.frombuffer(file.read(min(AT_ONCE, pages - low) * ENTRY.itemsize), ENTRY)
                found[low : low + len(entries)] = entries >= THERE
    except OSError:
        return np.ones(pages, np.bool_)
    return found | _in_file(pid, mapped, start, size) if mapped.inode else found


def _in_file(pid: int, mapped: Mapped, start: int, size: int) -> NDArray[np.bool_]:
    """Of each page whether the file behind the mapping has octets there; all of them where it cannot be opened."""
    descriptor = open_mapped(pid, mapped)
    if descriptor is None:
        return np.ones(size // PAGE_SIZE, np.bool_)
    file = RamFile(descriptor, mapped.offset + start - mapped.start, size, mapped.path)
    try:
        return file.filled()
    finally:
        file.close()
