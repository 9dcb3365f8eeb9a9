"""The P2M of a guest of today's Xen, and the two levels of lists that lead to it from its shared-info page.

``arch.pfn_to_mfn_frame_list_list`` names a page that lists the pages which list the pages of the P2M; all in the
guest's words. Source: xen/include/public/arch-x86/xen.h (arch_shared_info); formats/xen.md 4.5, 4.6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from domctx.errors import DomainError
from domctx.schema import decode, encode, size_of
from domctx.values import frozen
from domctx_shared_info.layout import SharedInfo32, SharedInfo64
from domctx_sim.arrays import Numbers, Words
from domctx_sim.platforms import FOUR_LEVEL, Platform
from domctx_x86 import PAGE_SIZE

Read = Callable[[int], Words]
"""The contents u32[1024] of a page by its PFN."""


@frozen
class Lists:
    """The pages of the lists: PFNs."""

    top: int
    lists: tuple[int, ...]


def pages_of_lists(platform: Platform, p2m_pages: int) -> int:
    """How many pages list a P2M of so many pages, the page that lists them included."""
    return platform.paging.p2m_frames(p2m_pages) + 1


def shared_info_layout(platform: Platform) -> type[Any]:
    """The layout of a platform's shared-info page."""
    return SharedInfo64 if platform is FOUR_LEVEL else SharedInfo32


def top_of(page: bytes, platform: Platform) -> int:
    """What ``pfn_to_mfn_frame_list_list`` of a shared-info page holds."""
    kind = shared_info_layout(platform)
    found: int = decode(kind, page[: size_of(kind)]).arch.pfn_to_mfn_frame_list_list
    return found


def with_arch(page: bytes, platform: Platform, **changes: int) -> bytes:
    """The shared-info page with other values in ``arch``."""
    kind = shared_info_layout(platform)
    info = decode(kind, page[: size_of(kind)])
    return encode(attrs.evolve(info, arch=attrs.evolve(info.arch, **changes))) + page[size_of(kind) :]


def numbers_in_pages(numbers: Numbers, platform: Platform) -> Words:
    """Numbers as pages of the guest's words hold them: u32[n, 1024], zeros behind the last."""
    per_page = PAGE_SIZE // platform.paging.word
    pages = np.zeros((-(-len(numbers) // per_page), per_page), platform.word)
    pages.reshape(-1)[: len(numbers)] = numbers
    words: Words = pages.view("<u4")
    return words


def contents(
    platform: Platform, frame_list: tuple[int, ...], lists: Lists | None, numbers: Numbers
) -> dict[int, Words]:
    """What the pages of the P2M and of the lists hold, by PFN; ``numbers`` [N] is what stands for each page."""
    found = dict(zip(frame_list, numbers_in_pages(numbers, platform), strict=True))
    if lists is not None:
        found.update(zip(lists.lists, numbers_in_pages(numbers[np.array(frame_list)], platform), strict=True))
        found[lists.top] = numbers_in_pages(numbers[np.array(lists.lists)], platform)[0]
    return found


def follow(
    platform: Platform, top: int, frame_list: tuple[int, ...], read: Read, pfn_of: Callable[[Words], Numbers]
) -> Lists:
    """The lists from page ``top`` on; ``pfn_of`` gives the pages that numbers in them stand for.

    Raises DomainError where they do not lead to the pages of the P2M.
    """
    count = platform.paging.p2m_frames(len(frame_list))
    lists = tuple(pfn_of(read(top).view(platform.word)[:count]).tolist())
    pages = [number for pfn in lists for number in pfn_of(read(pfn).view(platform.word)).tolist()]
    if tuple(pages[: len(frame_list)]) != frame_list:
        raise DomainError(
            "the lists from pfn_to_mfn_frame_list_list on do not lead to the P2M", got=f"PFN 0x{top:x} for the first"
        )
    return Lists(top, lists)
