"""Pages as PAGE_DATA records."""

from __future__ import annotations

import numpy as np
import pytest

from domctx.errors import DomainError
from domctx.states import PageBatch, PageKind
from domctx_xen.paged import page_data
from helpers import xen_streams as xs
from helpers.xen_streams import made


def test_pages_of_every_kind() -> None:
    """Zeros and repeated octets are spelled out, absent pages not listed."""
    kinds = [PageKind.ZERO, PageKind.FILL, PageKind.ABSENT, PageKind.DATA, PageKind.BROKEN, PageKind.POPULATE]
    batch = PageBatch(
        0,
        8,
        np.array([*kinds, PageKind.INVALID], np.uint8),
        np.frombuffer(xs.page(3), np.uint8).reshape(1, 4096),
        fills=np.array([7], np.uint8),
    )
    expected = xs.page_data(
        (xs.entry(8), bytes(4096)),
        (xs.entry(9), b"\7" * 4096),
        (xs.entry(11), xs.page(3)),
        (xs.entry(12, 0xD), None),
        (xs.entry(13, 0xE), None),
        (xs.entry(14, 0xF), None),
    )
    assert b"".join(bytes(piece) for piece in page_data([batch], None)) == made(expected).octets
    absent = PageBatch(0, 0, np.full(3, PageKind.ABSENT, np.uint8), np.empty((0, 4096), np.uint8))
    assert list(page_data([absent], None)) == []


def test_pages_of_another_image_are_refused() -> None:
    """What an incremental image leaves to its base is nowhere."""
    batch = PageBatch(0, 4, np.array([0, PageKind.BASE], np.uint8), np.zeros((1, 4096), np.uint8))
    with pytest.raises(DomainError, match="PFN 0x5 is BASE"):
        list(page_data([batch], None))


def test_types_stand_in_the_words_of_pages() -> None:
    """Those of PAGE_TABLES by PFN, or those that come with the pages; kinds without octets have their own."""
    kinds = np.array([PageKind.DATA, PageKind.INVALID], np.uint8)
    octets = np.frombuffer(xs.page(3), np.uint8).reshape(1, 4096)
    expected = made(xs.page_data((xs.entry(4, 9), xs.page(3)), (xs.entry(5, 0xF), None))).octets
    typed = PageBatch(0, 4, kinds, octets, types=np.array([9, 0], np.uint8))
    all_types = np.array([0, 0, 0, 0, 9, 2], np.uint8)
    for batch, types in ((typed, None), (PageBatch(0, 4, kinds, octets), all_types)):
        assert b"".join(bytes(piece) for piece in page_data([batch], types)) == expected


def test_batches_larger_than_a_record_of_xens_are_one_record() -> None:
    """A source may give more pages at a time than were asked for."""
    kinds = np.full(1500, PageKind.ZERO, np.uint8)
    batch = PageBatch(0, 0, kinds, np.empty((0, 4096), np.uint8))
    octets = b"".join(bytes(piece) for piece in page_data([batch], None))
    assert len(octets) == 16 + 1500 * (8 + 4096)
