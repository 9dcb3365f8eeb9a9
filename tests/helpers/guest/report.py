"""The page in which the guest tells what it has done (``struct report`` of source/guest.h)."""

from __future__ import annotations

import struct
from typing import Final

import attrs

ADDRESS: Final = 0x200000
SIZE: Final = 4096
MAGIC: Final = b"DCTXGST1"
ERRORS: Final = (
    "nothing",
    "an exception",
    "the disk refused a request",
    "the disk gave other data than were written",
    "the time-stamp counter went back",
    "x87 or SSE registers changed",
    "debug registers or MSRs changed",
    "the second vCPU did not start",
    "no disk found",
)
HEAD: Final = struct.Struct("<8s9I")
VCPU: Final = struct.Struct("<IIQ")
PAGES: Final = struct.Struct("<2I")
DISK: Final = struct.Struct("<6I")
SLOTS: Final = struct.Struct("<8I")


@attrs.frozen
class Report:
    """What the guest says of itself; counts are since its start."""

    magic: bytes
    ready: int
    vcpus: int
    timer: int
    errors: int
    error: int
    detail: int
    octets: int
    """Written to the serial port."""
    paging: int
    checks: int
    """How many times the guest found its registers as it had filled them."""
    ticks: tuple[int, ...]
    """Timer interrupts of each vCPU."""
    whole: bool
    """Each of them stands beside its inverse: always so while the guest stands still."""
    page_count: int
    step: int
    """Pages filled: the next is number ``step % page_count``, of round ``step // page_count``."""
    disk: int
    sectors: int
    issued: int
    completed: int
    interrupts: int
    line: int
    under_way: tuple[int, ...]
    """The numbers of the disk's requests that were given to the device and did not come back."""
    frames: tuple[int, ...]
    """The frame numbers of the pages that are filled."""

    @classmethod
    def decode(cls, data: bytes) -> Report:
        """The page's contents."""
        head = HEAD.unpack_from(data)
        vcpus = [VCPU.unpack_from(data, 0x40 + VCPU.size * i) for i in range(head[2])]
        ticks = tuple(vcpu[0] for vcpu in vcpus)
        whole = all(count + inverse in (2**32 - 1, 2**32) for count, inverse, _ in vcpus if count)
        pages = PAGES.unpack_from(data, 0x60)
        disk = DISK.unpack_from(data, 0x70)
        under_way = tuple(slot - 1 for slot in SLOTS.unpack_from(data, 0xA0) if slot)
        frames = struct.unpack_from(f"<{pages[0]}I", data, 0x200)
        return cls(*(*head, ticks, whole, *pages, *disk, under_way, frames))

    @property
    def trouble(self) -> str:
        """The last thing that the guest found wrong."""
        return f"{ERRORS[self.error]} ({self.detail:#x}), {self.errors} in all"
