"""Tests of domctx_sim.suspension: the reserved pages, and what a suspended guest has in them."""

from __future__ import annotations

import numpy as np
import pytest

from domctx.errors import DomainError
from domctx.schema import decode
from domctx_sim.layout import SuspendRecord
from domctx_sim.suspension import Reserved, address, p2m_pages


def test_places() -> None:
    """The pages follow each other: P2M, frame list, suspend record, start_info."""
    reserved = Reserved.of(2049, 100)
    assert (reserved.p2m_pages, reserved.frame_list, reserved.record) == (range(96, 99), 99, 100)
    assert (reserved.start_info, reserved.all) == (101, range(96, 101))


@pytest.mark.parametrize(("pages", "record"), [(64, 1), (64, 63), (64, 64), (2049, 3)])
def test_no_room(pages: int, record: int) -> None:
    """A record with too few pages below it, or none above, is refused."""
    with pytest.raises(DomainError, match="no room for the reserved pages"):
        Reserved.of(pages, record)


def test_contents() -> None:
    """The P2M, its frames, and a suspend record with start_info in it stand in the pages; the rest is zero."""
    numbers = np.arange(1030, dtype=np.uint32) + 7000
    info = np.arange(73, dtype=np.uint32) + 1
    info[8:72] = 0
    pages = Reserved.of(1030, 500).fill(numbers, info, 0x5000)
    assert pages.shape == (4, 1024)
    assert np.array_equal(pages[:2].reshape(-1)[:1030], numbers)
    assert not pages[:2].reshape(-1)[1030:].any()
    assert pages[2, :3].tolist() == [7497, 7498, 0]
    record = decode(SuspendRecord, pages[3].tobytes()[:300])
    assert (record.nr_pfns, record.pfn_to_mfn_frame_list) == (1030, 7499)
    assert (record.resume_info.nr_pages, record.resume_info.shared_info, record.resume_info.flags) == (1, 0x5000, 3)
    assert not pages[3, 75:].any()


def test_small_helpers() -> None:
    """A P2M takes whole pages, and a frame's address is its number times 4096."""
    assert p2m_pages(np.arange(1024)).shape == (1, 1024)
    assert p2m_pages(np.arange(1025)).shape == (2, 1024)
    assert address(0x12345) == 0x1234_5000
