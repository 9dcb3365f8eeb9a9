"""X86_PV_P2M_FRAMES: which pages of a paravirtualised guest hold its P2M, and how many pages it has."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from domctx.errors import StreamError
from domctx.files import StreamFile
from domctx.schema import decode, size_of
from domctx_xen.layout import PAGE_SIZE, P2mFrames, PvInfo
from domctx_xen.record import Element

HEAD: Final = size_of(P2mFrames)
GUESTS: Final = {4: 3, 8: 4}
"""Levels of page tables by octets of the guest's word: nothing else is valid (formats/xen.md 4.2)."""
NOWHERE: Final = 0xFFFF_FFFF_FFFF_FFFF
"""Stands for a frame that was not told."""


def read_info(file: StreamFile, element: Element) -> PvInfo:
    """X86_PV_INFO. Raises StreamError for one that is not valid."""
    size = size_of(PvInfo)
    if element.length != size:
        expected, got = f"0x{size:08x}", f"0x{element.length:08x}"
        raise StreamError("X86_PV_INFO has the wrong length", offset=element.offset + 4, expected=expected, got=got)
    info = decode(PvInfo, file.take(element.body, size, element.name))
    if GUESTS.get(info.guest_width) != info.pt_levels:
        raise StreamError(
            "X86_PV_INFO tells of a guest that there is not",
            offset=element.body,
            expected="width 4 with 3 levels, or 8 with 4",
            got=f"width {info.guest_width} with {info.pt_levels}",
        )
    return info


class P2m:
    """The frames that were told; ``last`` is the domain's last PFN, -1 before any record."""

    def __init__(self, file: StreamFile) -> None:
        self.last = -1
        self._file = file
        self._parts: list[tuple[int, NDArray[np.uint64]]] = []
        self._kept = (self.last, 0)

    @property
    def frames(self) -> NDArray[np.uint64]:
        """The PFN of each frame of the P2M, ``NOWHERE`` where none was told."""
        count = max((first + len(part) for first, part in self._parts), default=0)
        found = np.full(count, NOWHERE, np.uint64)
        for first, part in self._parts:
            found[first : first + len(part)] = part
        return found

    def take(self, element: Element, info: Element) -> None:
        """Take a record. Raises StreamError for one that contradicts itself."""
        entries = PAGE_SIZE // read_info(self._file, info).guest_width
        if element.length < HEAD:
            raise _wrong_length(element, HEAD)
        head = decode(P2mFrames, self._file.take(element.body, HEAD, element.name))
        if head.start_pfn > head.end_pfn:
            raise StreamError(
                "X86_PV_P2M_FRAMES ends before it begins",
                offset=element.body,
                expected=f"an end at or behind 0x{head.start_pfn:08x}",
                got=f"0x{head.end_pfn:08x}",
            )
        first, last = head.start_pfn // entries, head.end_pfn // entries
        if element.length != HEAD + 8 * (last - first + 1):
            raise _wrong_length(element, HEAD + 8 * (last - first + 1))
        octets = self._file.take(element.body + HEAD, element.length - HEAD, element.name)
        self._parts.append((first, np.frombuffer(octets, "<u8")))
        self.last = max(self.last, head.end_pfn)

    def keep(self) -> None:
        """What was taken so far counts."""
        self._kept = (self.last, len(self._parts))

    def drop(self) -> None:
        """What was taken since ``keep`` does not count."""
        self.last, count = self._kept
        del self._parts[count:]


def _wrong_length(element: Element, expected: int) -> StreamError:
    return StreamError(
        "X86_PV_P2M_FRAMES has the wrong length",
        offset=element.offset + 4,
        expected=f"0x{expected:08x}",
        got=f"0x{element.length:08x}",
    )
