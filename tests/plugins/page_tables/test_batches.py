"""Batches of pages of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from domctx.errors import RecordError
from domctx.states import PageBatch, PageKind
from domctx_page_tables import FrameMap, canonicalise_batch, check_batch, localise_batch
from domctx_page_tables.batches import expand_tables

TYPES = np.array([0, 0, 1, 2, 1, 0, 0], dtype=np.uint8)
P2M = np.array([70, 60, 50, 40, 30, 20, 10], dtype=np.uint32)


def batch(kinds: list[PageKind], pages: Any, fills: list[int], first: int = 0) -> PageBatch:
    """A batch of block 0."""
    octets = np.ascontiguousarray(pages, dtype="<u4").view(np.uint8).reshape(-1, 4096)
    return PageBatch(0, first, np.array(kinds, dtype=np.uint8), octets, np.array(fills, dtype=np.uint8))


def guest() -> PageBatch:
    """PFN 1 plain, 2 an L1 table full of 0x01 octets, 3 an L2 table, 4 a table of zeros, 5 plain of 0xFF octets."""
    pages = np.zeros((2, 1024), dtype=np.uint32)
    pages[0, :] = 0x01010101
    pages[1, 5] = 2 << 12 | 0x067
    kinds = [PageKind.DATA, PageKind.FILL, PageKind.DATA, PageKind.ZERO, PageKind.FILL]
    return batch(kinds, pages, [0x00, 0xFF], first=1)


def test_data_pages_are_localised_and_canonicalised_in_place_of_themselves() -> None:
    """Only pages with data are touched, each by the type of its own PFN, and the way back undoes it."""
    local = localise_batch(guest(), TYPES, P2M)
    words = local.pages.view("<u4")
    assert words[0].tolist() == [0x01010101] * 1024
    assert words[2, 5] == (50 << 12 | 0x067)
    assert not words[1].any()
    back = canonicalise_batch(local, TYPES, FrameMap(P2M))
    assert back.pages.view("<u4")[2, 5] == (2 << 12 | 0x067)


def test_a_table_of_one_repeated_octet_is_a_table() -> None:
    """A FILL page that is a page table is spelled out, so that its entries are seen; other FILL pages stay."""
    filled = guest()
    expanded = expand_tables(filled, TYPES)
    assert expanded.kinds.tolist() == [PageKind.DATA] * 3 + [PageKind.ZERO, PageKind.FILL]
    assert expanded.fills is not None
    assert expanded.fills.tolist() == [0xFF]
    assert expanded.pages[0].tobytes() == filled.pages[0].tobytes()
    assert not expanded.pages[1].any()
    assert expanded.pages[2].tobytes() == filled.pages[1].tobytes()
    ones = batch([PageKind.FILL], np.zeros((0, 1024)), [0x01], first=2)
    with pytest.raises(RecordError, match="L1 table PFN 0x00000002, entry 0x000: a present entry points past"):
        check_batch(ones, TYPES)


def test_batches_without_tables_come_back_themselves() -> None:
    """Nothing is copied where there is nothing to translate."""
    plain = batch([PageKind.DATA, PageKind.FILL], np.full((1, 1024), 0xFFFFFFFF, dtype=np.uint32), [1], first=5)
    assert localise_batch(plain, TYPES, P2M) is plain
    assert canonicalise_batch(plain, TYPES, FrameMap(P2M)) is plain
    check_batch(plain, TYPES)


def test_a_broken_rule_names_the_page_by_its_pfn() -> None:
    """The PFN in a message is counted from the start of the domain, not of the batch."""
    pages = np.zeros((1, 1024), dtype=np.uint32)
    pages[0, 0] = 3 << 12 | 3
    with pytest.raises(RecordError, match="L1 table PFN 0x00000004, entry 0x000: a page table is mapped writable"):
        localise_batch(batch([PageKind.DATA], pages, [], first=4), TYPES, P2M)


def test_pages_past_the_types_are_refused() -> None:
    """A batch that reaches past the last PFN that has a type raises a RecordError."""
    with pytest.raises(RecordError, match="pages that have no type") as caught:
        check_batch(batch([PageKind.ZERO, PageKind.ZERO], np.zeros((0, 1024)), [], first=6), TYPES)
    assert caught.value.got == "0x00000007"
