"""What a restorer does so that a suspended guest can go on (formats/xen.md 1.7, and 1.8 steps 10 and 13)."""

from __future__ import annotations

import numpy as np

from domctx.errors import DomainError
from domctx.states import Suspension
from domctx_sim.home import Home
from domctx_sim.layout import WORDS
from domctx_sim.suspension import (
    FLAGS_WORD,
    NR_PAGES_WORD,
    NR_PFNS_WORD,
    SHARED_INFO_WORD,
    Reserved,
    address,
    p2m_pages,
)
from domctx_x86 import PAGE_SIZE


def by_itself(home: Home, record: int, frame_list: tuple[int, ...]) -> int:
    """Bring a guest's own suspend record (a PFN) and P2M up to date; returns what ESI must hold.

    Raises DomainError where the record counts other pages than the domain has.
    """
    words = home.page(record)
    if words[NR_PFNS_WORD] != home.pages:
        raise DomainError(
            "the suspend record counts other pages than the domain has",
            expected=home.pages,
            got=int(words[NR_PFNS_WORD]),
        )
    words[NR_PAGES_WORD] = home.pages
    words[SHARED_INFO_WORD] = address(home.domain.shared_info_frame)
    words[FLAGS_WORD] = 0
    home.write(np.array([record]), words)
    pfns = np.array(frame_list)
    pages = home.read(pfns)
    numbers = p2m_pages(home.p2m)
    used = np.arange(numbers.size).reshape(numbers.shape) < home.pages
    home.write(pfns, np.where(used, numbers, pages))
    home.domain.frame_list = frame_list
    return home.mfn(record)


def undo(home: Home, record: int, frame_list: tuple[int, ...], suspension: Suspension) -> int:
    """Undo a suspension that was made on the guest's behalf; returns what ESI must hold.

    The reserved pages get what stood there before, which is what the suspension wrote where nothing was displaced.
    Raises DomainError where the image does not hold what this takes.
    """
    reserved = Reserved.of(home.pages, record)
    if frame_list != tuple(reserved.p2m_pages):
        raise DomainError(
            "the P2M is not directly below the frame list and the suspend record",
            expected=f"PFN 0x{reserved.p2m:x} .. 0x{reserved.frame_list - 1:x}",
            got=f"PFN 0x{frame_list[0]:x} .. 0x{frame_list[-1]:x}",
        )
    if suspension.registers.keys() != {"esi"} or not 0 <= suspension.registers["esi"] < 1 << 32:
        raise DomainError("the suspension must have replaced ESI alone", got=", ".join(suspension.registers)[:60])
    start_info = home.page(reserved.start_info)
    pages = reserved.fill(home.p2m, start_info, address(home.domain.shared_info_frame))
    for pfn, contents in suspension.displaced.items():
        if pfn not in reserved.all or len(contents) not in (0, PAGE_SIZE):
            raise DomainError(
                "contents were displaced from a page that is not reserved, or not of a page",
                expected=f"PFN 0x{reserved.p2m:x} .. 0x{record:x}, 0 or {PAGE_SIZE} octets",
                got=f"PFN 0x{pfn:x}, {len(contents)} octets",
            )
        pages[pfn - reserved.p2m] = np.frombuffer(contents, "<u4") if contents else np.zeros(WORDS, np.uint32)
    home.write(np.array(reserved.all), pages)
    home.domain.reserved = record
    return suspension.registers["esi"]
