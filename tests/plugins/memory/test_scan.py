"""The search for pages of one repeated octet, against the naive one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from domctx_memory import scan
from helpers.memory import random_pages


def naive(pages: NDArray[np.uint8]) -> list[bool]:
    """The same, page by page and octet by octet."""
    return [page.tobytes().count(page[:1].tobytes()) == len(page) for page in pages]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(0, 300), st.sampled_from([1024, 4096, 8192]))
def test_finds_what_the_naive_search_finds(seed: int, count: int, size: int) -> None:
    """Of pages of every kind just those are found that are one octet repeated."""
    pages = random_pages(seed, count, size).contents
    assert scan.uniform(pages).tolist() == naive(pages)


@pytest.mark.parametrize("octet", [0, 1, 0x7F, 0xFF])
def test_one_other_octet_anywhere_is_seen(octet: int) -> None:
    """A page of one octet in which a single octet, at any place, is another is not found."""
    pages = np.full((4096, 4096), octet, np.uint8)
    pages[np.arange(4096), np.arange(4096)] ^= 0x40
    assert not scan.uniform(pages).any()


@pytest.mark.parametrize("octet", [0, 0xA5])
def test_a_page_of_other_words_that_look_alike_is_not_found(octet: int) -> None:
    """Pages of one repeated word that is not one repeated octet are not found, beside those that are."""
    pages = np.zeros((3, 4096), np.uint8)
    pages[0] = np.tile(np.array([1, 2, 3, 4, 5, 6, 7, 8], np.uint8), 512)
    pages[1] = octet
    pages[2, ::8] = 1
    assert scan.uniform(pages).tolist() == [False, True, False]


def test_arrays_that_are_not_contiguous_are_searched_too() -> None:
    """A strided view of pages gives the same as its copy."""
    pages = random_pages(3, 200, 4096).contents
    assert scan.uniform(pages[::3]).tolist() == scan.uniform(pages[::3].copy()).tolist() == naive(pages[::3])


@given(st.integers(0, 1 << 32), st.integers(0, 9))
def test_pages_with_words_between_are_searched_in_place(seed: int, skew: int) -> None:
    """Pages as they stand in a stream, each behind 8 octets, anywhere; and such whose octets are strided."""
    pages = random_pages(seed, 20, 4096).contents
    room = np.full(skew + 20 * 4104, 0xEE, np.uint8)
    strided = np.ndarray((20, 4096), np.uint8, room.data, skew, (4104, 1))
    strided[...] = pages
    assert scan.uniform(strided).tolist() == naive(pages)
    assert scan.uniform(np.asfortranarray(pages)).tolist() == naive(pages)


def test_no_pages_give_no_result() -> None:
    """An empty array of pages gives an empty result."""
    assert scan.uniform(np.empty((0, 4096), np.uint8)).tolist() == []
