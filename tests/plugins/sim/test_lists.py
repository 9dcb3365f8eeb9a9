"""The P2M of a guest of today, and the lists that lead to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomainError
from domctx_sim.lists import Lists, contents, follow, numbers_in_pages, pages_of_lists, top_of, with_arch
from domctx_sim.platforms import FOUR_LEVEL, PAE_TODAY, Platform

BOTH = (FOUR_LEVEL, PAE_TODAY)


def same(numbers: Any) -> Any:
    """Numbers that are pages already."""
    return numbers


@pytest.mark.parametrize(("platform", "pages"), [(FOUR_LEVEL, 512), (PAE_TODAY, 1024)])
def test_a_page_holds_words_of_the_guest(platform: Platform, pages: int) -> None:
    """512 words of eight octets, or 1024 of four; what is behind the last is zero."""
    found = numbers_in_pages(np.arange(pages + 1), platform)
    assert found.shape == (2, 1024)
    assert found.view(platform.word).reshape(-1)[: pages + 2].tolist() == [*range(pages + 1), 0]
    assert [pages_of_lists(platform, count) for count in (1, pages, pages + 1)] == [2, 2, 3]


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(BOTH), st.integers(1, 3000), st.integers(0, 1 << 32))
def test_lists_lead_to_the_p2m(platform: Platform, pages: int, seed: int) -> None:
    """From the page on top the lists are followed to every page of the P2M, by whatever numbers stand in them."""
    frames = np.random.default_rng(seed).permutation(1 << 13)[:pages].astype(np.uint32)
    p2m = tuple(range(platform.paging.p2m_frames(pages + 2)))
    lists = Lists(pages + 1, (pages,))
    numbers = np.append(frames, np.array([1 << 20, 1 << 21], np.uint32))
    found = contents(platform, p2m, lists, numbers)
    pfns = np.zeros(1 << 22, np.int64)
    pfns[numbers] = np.arange(pages + 2)
    assert follow(platform, pages + 1, p2m, lambda pfn: found[pfn], lambda mfns: pfns[mfns]) == lists
    told = np.concatenate([found[pfn].view(platform.word) for pfn in p2m])
    assert told[: pages + 2].tolist()[: pages + 2] == numbers.tolist()[: len(told)]


@pytest.mark.parametrize("platform", BOTH)
def test_lists_that_lead_elsewhere(platform: Platform) -> None:
    """Lists that do not name the pages of the P2M, in order, are refused."""
    pages = contents(
        platform, (5, 4), Lists(7, (6,)), np.arange(platform.paging.entries * (8 // platform.paging.word) + 9)
    )
    with pytest.raises(DomainError, match="do not lead to the P2M; got PFN 0x7"):
        follow(platform, 7, (4, 5), lambda pfn: pages.get(pfn, np.zeros(1024, np.uint32)), same)


@pytest.mark.parametrize("platform", BOTH)
def test_the_shared_page_says_where_they_begin(platform: Platform) -> None:
    """Fields of ``arch`` are changed in their place, and all other octets of the page kept."""
    page = bytes(range(256)) * 16
    changed = with_arch(page, platform, pfn_to_mfn_frame_list_list=0x1234)
    assert top_of(changed, platform) == 0x1234
    assert with_arch(changed, platform, pfn_to_mfn_frame_list_list=top_of(page, platform)) == page
