"""The layout of MEMORY records: sizes, limits and the arithmetic between them."""

from __future__ import annotations

import pytest

from domctx import schema
from domctx_memory.layout import (
    ENTRY_SIZE,
    HEAD_COVERED,
    HEAD_SIZE,
    MAX_BODY,
    MAX_SHIFT,
    MIN_SHIFT,
    Coding,
    FrameEntry,
    MemoryBody,
    MemoryHead,
    body_bound,
    coded,
    columns_size,
    frame_count,
    frame_pages,
    record_pages,
)


def test_sizes_are_pinned() -> None:
    """A head takes 64 octets, of which its digest covers 48; an entry of the frame table takes 24."""
    assert (HEAD_SIZE, HEAD_COVERED, ENTRY_SIZE) == (64, 48, 24)
    assert (schema.size_of(MemoryHead), schema.size_of(FrameEntry), schema.size_of(MemoryBody)) == (64, 24, 64)


def test_offsets_are_pinned() -> None:
    """Every field of head and entry stands where images have it."""
    offsets = {field.name: field.offset for field in schema.fields(MemoryHead)}
    assert offsets == {
        "block": 0,
        "page_shift": 4,
        "codec": 5,
        "kinds": 6,
        "types": 7,
        "first": 8,
        "count": 16,
        "data": 20,
        "fills": 24,
        "filler": 28,
        "map_digest": 32,
        "digest": 48,
    }
    assert {field.name: field.offset for field in schema.fields(FrameEntry)} == {"stored": 0, "check": 4, "digest": 8}


@pytest.mark.parametrize(("shift", "record", "frame"), [(10, 4096, 128), (12, 1024, 32), (18, 16, 1), (22, 1, 1)])
def test_a_record_covers_4_mib_and_a_frame_128_kib(shift: int, record: int, frame: int) -> None:
    """A record covers 4 MiB of pages of any size, and a frame 128 KiB or one page."""
    assert (record_pages(shift), frame_pages(shift)) == (record, frame)


@pytest.mark.parametrize(("data", "frames"), [(0, 0), (1, 1), (32, 1), (33, 2), (1024, 32)])
def test_there_is_a_frame_for_each_32_pages_begun(data: int, frames: int) -> None:
    """The number of frames is the number of DATA pages divided by 32, rounded up."""
    assert frame_count(data, 12) == frames


def test_columns_are_as_long_as_their_coding_says() -> None:
    """A column takes no octet, one, or one for each page; the page map is the table and all columns."""
    assert [coded(coding, 7) for coding in Coding] == [0, 1, 7]
    head = MemoryHead(0, 12, 1, Coding.EACH, Coding.ALL, 0, 100, 33, 3, 0)
    assert columns_size(head) == 2 * ENTRY_SIZE + 100 + 1 + 3


def test_no_body_is_longer_than_the_type_allows() -> None:
    """The bound of every record of every page size lies within the type's largest body, and beyond its pages."""
    bounds = [body_bound(record_pages(shift), shift) for shift in range(MIN_SHIFT, MAX_SHIFT + 1)]
    assert max(bounds) == MAX_BODY < (4 << 20) + (32 << 10)
    assert min(bounds) > 4 << 20
