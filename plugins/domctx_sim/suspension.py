"""What a suspended guest has in memory, and where the machine keeps it for a guest that it suspends itself.

A guest that suspends itself fills P2M pages, a frame list and a suspend record of its own, and passes the record's
frame in ESI (formats/xen.md 1.7). For others the builder reserved such pages directly below start_info.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from domctx.errors import DomainError
from domctx.values import frozen
from domctx_sim.arrays import Numbers, Words
from domctx_sim.layout import WORDS
from domctx_x86 import I386_2LEVEL, PAGE_SHIFT

NR_PAGES_WORD: Final = 0
SHARED_INFO_WORD: Final = 1
FLAGS_WORD: Final = 2
"""Words of start_info, and of the copy of it with which the suspend record begins."""
START_INFO_WORDS: Final = 73
FRAME_LIST_WORD: Final = 73
NR_PFNS_WORD: Final = 74
"""Words of the suspend record (formats/xen.md 1.7)."""


@frozen
class Reserved:
    """The pages that the builder reserved, in a domain of ``pages`` pages: PFNs."""

    pages: int
    record: int
    """The suspend record; start_info follows."""

    @classmethod
    def of(cls, pages: int, record: int) -> Reserved:
        """Raises DomainError where pages below or above the record are missing."""
        reserved = cls(pages, record)
        if not 0 <= reserved.p2m < reserved.start_info < pages:
            raise DomainError(
                "there is no room for the reserved pages around the suspend record",
                expected=f"a PFN of 0x{pages:x} pages with 0x{record - reserved.p2m:x} below and one above",
                got=f"0x{record:x}",
            )
        return reserved

    @property
    def start_info(self) -> int:
        """start_info's page."""
        return self.record + 1

    @property
    def frame_list(self) -> int:
        """The page that lists the frames of the P2M."""
        return self.record - 1

    @property
    def p2m(self) -> int:
        """The first page of the P2M."""
        return self.frame_list - I386_2LEVEL.p2m_frames(self.pages)

    @property
    def p2m_pages(self) -> range:
        """The pages of the P2M."""
        return range(self.p2m, self.frame_list)

    @property
    def all(self) -> range:
        """All of them: P2M, frame list, suspend record."""
        return range(self.p2m, self.start_info)

    def fill(self, numbers: Words, start_info: Words, shared_info: int) -> Words:
        """The contents of all reserved pages of a suspended domain: u32[n, 1024].

        ``numbers`` u32[N] is what stands for each page, MFN or PFN; ``start_info`` the words of start_info;
        ``shared_info`` the address that the guest is told when it goes on.
        """
        pages = np.zeros((len(self.all), WORDS), np.uint32)
        pages[:-2] = p2m_pages(numbers)
        frame_list, record = pages[-2], pages[-1]
        frame_list[: len(self.p2m_pages)] = numbers[self.p2m : self.frame_list]
        record[:START_INFO_WORDS] = start_info[:START_INFO_WORDS]
        record[SHARED_INFO_WORD] = shared_info
        record[FRAME_LIST_WORD] = numbers[self.frame_list]
        record[NR_PFNS_WORD] = self.pages
        return pages


def p2m_pages(numbers: Numbers) -> Words:
    """The P2M as its pages hold it: u32[ceil(N / 1024), 1024], zeros behind the last page's number."""
    pages = np.zeros((I386_2LEVEL.p2m_frames(len(numbers)), WORDS), np.uint32)
    pages.reshape(-1)[: len(numbers)] = numbers
    return pages


def address(mfn: int) -> int:
    """The machine address of a frame."""
    return mfn << PAGE_SHIFT
