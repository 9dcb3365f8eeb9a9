"""Where QEMU has the guest's memory on its host: its process's mappings, and the files behind them (proc(5))."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from typing import Final

from domctx.api import RamBlock
from domctx.errors import DomctxError
from domctx.values import frozen
from domctx_qmp.monitor import Monitor

ROW: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) ...([sp]) ([0-9a-f]+) [0-9a-f:]+ ([0-9]+) *(.*)")
"""A line of ``/proc/PID/maps``."""
ADDRESS: Final = re.compile(r"is 0x([0-9a-f]+)")
"""In what ``gpa2hva`` prints."""

DELETED: Final = " (deleted)"
"""What the kernel puts behind the name of a file that has none any more."""


@frozen
class Mapped:
    """One mapping of a process; ``path`` as the kernel shows it."""

    start: int
    stop: int
    shared: bool
    offset: int
    inode: int
    path: str


def mappings(pid: int) -> list[Mapped]:
    """The mappings of a process; none where it does not show them."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().split("\n")
    except OSError:
        return []
    rows = (ROW.fullmatch(line) for line in lines)
    return [
        Mapped(int(row[1], 16), int(row[2], 16), row[3] == "s", int(row[4], 16), int(row[5]), row[6])
        for row in rows
        if row is not None
    ]


def holding(found: Iterable[Mapped], address: int, size: int) -> Mapped | None:
    """The mapping that holds ``size`` octets from ``address`` on; None where no single one does."""
    return next((each for each in found if each.start <= address and address + size <= each.stop), None)


def host_address(monitor: Monitor, address: int) -> int | None:
    """Where QEMU has a guest-physical address in its own memory; None where that is no RAM."""
    try:
        found = ADDRESS.search(monitor.human(f"gpa2hva 0x{address:x}"))
    except DomctxError:
        return None
    return int(found[1], 16) if found is not None else None


def block_start(monitor: Monitor, block: RamBlock) -> int | None:
    """Where QEMU has a block in its own memory; None where it has none, or its places lead to several."""
    starts = set()
    for place in block.placements:
        address = host_address(monitor, place.address)
        if address is None:
            return None
        starts.add(address - place.offset)
    return starts.pop() if len(starts) == 1 else None


def nameless_files(pid: int) -> set[str]:
    """The former names of files that a process has open and that were deleted; none where it does not show them."""
    return {link.removesuffix(DELETED) for link in _open_files(pid).values() if link.endswith(DELETED)}


def _open_files(pid: int) -> dict[str, str]:
    """What a process has open, by its descriptors in ``/proc``; none where it does not show them."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found[f"/proc/{pid}/fd/{name}"] = os.readlink(f"/proc/{pid}/fd/{name}")
    return found


def open_mapped(pid: int, mapped: Mapped) -> int | None:
    """A descriptor of the file behind a mapping, to read; None where it cannot be had."""
    for path in _names(pid, mapped):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            if os.fstat(descriptor).st_ino == mapped.inode:
                return descriptor
            os.close(descriptor)
    return None


def _names(pid: int, mapped: Mapped) -> Iterator[str]:
    """The names under which the file may be opened."""
    if os.path.isabs(mapped.path):
        yield f"/proc/{pid}/root{mapped.path}"
    yield from (name for name, link in _open_files(pid).items() if link == mapped.path)
    yield f"/proc/{pid}/map_files/{mapped.start:x}-{mapped.stop:x}"  # only the superuser may
