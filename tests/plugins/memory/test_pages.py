"""What is done with batches of pages."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, strategies as st

from domctx.api import RamBlock
from domctx.errors import DomainError, PluginError
from domctx.states import PageBatch, PageKind, PageType
from domctx_memory import pages
from helpers.memory import TYPES, block_of, random_pages

BLOCKS = [block_of(100), block_of(10, name="vga")]


def batch(**changes: Any) -> PageBatch:
    """A good batch, but for the changes."""
    kinds = np.array([PageKind.DATA, PageKind.ZERO, PageKind.FILL], np.uint8)
    good = PageBatch(0, 7, kinds, np.ones((1, 4096), np.uint8), np.array([9], np.uint8))
    return attrs.evolve(good, **changes)


def test_legal_types_are_the_page_types_pinned_or_not() -> None:
    """Of all octets just the five page types, each with and without PINNED, are legal."""
    legal = [octet for octet in range(256) if pages.legal_types(np.array([0, octet], np.uint8))]
    assert legal == sorted(TYPES)


def test_counts_are_by_name() -> None:
    """Kinds and types that occur are counted by their names in lower case."""
    kinds = np.array([0, 0, 1, 6, 6, 6], np.uint8)
    types = np.array([0, 2, 2 | PageType.PINNED], np.uint8)
    assert pages.kind_counts(kinds) == {"data": 2, "zero": 1, "invalid": 3}
    assert pages.type_counts(types) == {"notab": 1, "l2tab": 1, "l2tab pinned": 1}
    assert pages.type_counts(np.array([pages.UNTOLD] * 2, np.uint8)) == {"untold": 2}
    assert pages.count_kind(kinds, PageKind.INVALID) == 3


def test_a_good_batch_passes() -> None:
    """A batch whose arrays agree belongs to its block."""
    assert pages.check_batch(batch(), BLOCKS) is BLOCKS[0]
    assert pages.check_batch(batch(types=np.zeros(3, np.uint8)), BLOCKS) is BLOCKS[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kinds": np.array([0, 1, 7], np.uint8)}, "kinds that are none"),
        ({"kinds": np.array([0, 1, 2], np.int64)}, "kinds that are none"),
        ({"kinds": np.array([[0, 1, 2]], np.uint8)}, "kinds that are none"),
        ({"pages": np.ones((2, 4096), np.uint8)}, "not the pages"),
        ({"pages": np.ones((1, 4095), np.uint8)}, "not the pages"),
        ({"pages": np.ones((1, 4096), np.uint16)}, "not the pages"),
        ({"fills": None}, "not the fill octets"),
        ({"fills": np.array([1, 2], np.uint8)}, "not the fill octets"),
        ({"types": np.array([0, 1], np.uint8)}, "types that are none"),
        ({"types": np.array([0, 1, 5], np.uint8)}, "types that are none"),
        ({"types": np.array([0, 1, 1], np.int8)}, "types that are none"),
    ],
)
def test_a_batch_that_contradicts_itself_is_refused(changes: dict[str, Any], message: str) -> None:
    """A batch whose arrays do not agree is a failure of the plugin that made it."""
    with pytest.raises(PluginError, match=message):
        pages.check_batch(batch(**changes), BLOCKS)


@pytest.mark.parametrize(
    ("block", "first", "count"), [(2, 0, 1), (-1, 0, 1), (0, 98, 3), (0, -1, 1), (1, 10, 1), (0, 0, -1)]
)
def test_pages_outside_of_a_block_are_refused(block: int, first: int, count: int) -> None:
    """Pages that no block has are refused, with the numbers."""
    with pytest.raises(DomainError, match=r"no such RAM block|outside of RAM block"):
        pages.check_range(BLOCKS, block, first, count)


@pytest.mark.parametrize("shift", [9, 23, 30])
def test_blocks_of_other_page_sizes_are_refused(shift: int) -> None:
    """A block whose pages do not fit a record is refused."""
    with pytest.raises(DomainError, match="pages of a size"):
        pages.check_blocks([*BLOCKS, RamBlock("odd", 1 << 30, shift)])


def test_more_memory_than_there_can_be_is_refused() -> None:
    """Blocks that together are larger than what a processor addresses are refused, and up to that accepted."""
    pages.check_blocks([RamBlock("one", 1 << 51), RamBlock("two", 1 << 51)])
    with pytest.raises(DomainError, match="no machine has so much memory"):
        pages.check_blocks([RamBlock("one", 1 << 51), RamBlock("two", (1 << 51) + 1)])


def test_the_octet_of_each_page_is_that_of_its_fill() -> None:
    """FILL pages have their octets, in order; all others have none."""
    kinds = np.array([2, 0, 1, 2], np.uint8)
    assert pages.fills_by_page(kinds, np.array([5, 6], np.uint8)).tolist() == [5, 0, 0, 6]
    assert pages.fills_by_page(kinds[1:3], None).tolist() == [0, 0]


def test_whole_pages_are_made_of_every_kind() -> None:
    """DATA and FILL pages have their contents, and all others are zeros."""
    found = random_pages(5, 200, 4096)
    whole = pages.whole(found.batch(0, 0, 0, 200), 4096)
    assert np.array_equal(whole, found.contents)
    data = PageBatch(0, 0, np.zeros(2, np.uint8), np.ones((2, 4096), np.uint8))
    assert pages.whole(data, 4096) is data.pages
    zeros = PageBatch(0, 0, np.ones(2, np.uint8), np.ones((0, 4096), np.uint8))
    assert not pages.whole(zeros, 4096).any()


def part(place: slice, kinds: list[int], *pieces: int, types: list[int] | None = None) -> pages.Part:
    """A part whose DATA pages come in pieces of so many pages; a page is of one octet, its number."""
    numbers = iter(range(100))
    data = [np.array([[next(numbers)] * 1024 for _ in range(count)], np.uint8).reshape(count, 1024) for count in pieces]
    column = np.array(kinds, np.uint8)
    given = None if types is None else np.array(types, np.uint8)
    return pages.Part(place, column, column * 0 + 3, given, sum(pieces), lambda: data)


def test_parts_make_a_batch() -> None:
    """Pages in no part are absent; data comes in order; types are told as soon as one part tells them."""
    empty = pages.absent(1, 10, 6, 1024)
    parts = [part(slice(0, 2), [0, 2], 1), part(slice(3, 6), [0, 0, 2], 1, 1, types=[1, 2, 3])]
    found = pages.assemble(empty, 1024, parts)
    assert (found.block, found.first, found.kinds.tolist()) == (1, 10, [0, 2, 3, 0, 0, 2])
    assert found.pages[:, 0].tolist() == [0, 0, 1]
    assert found.fills is not None
    assert found.fills.tolist() == [3, 3]
    assert found.types is not None
    assert found.types.tolist() == [0, 0, 0, 1, 2, 3]


def test_a_single_part_is_taken_as_it_is() -> None:
    """Where one part has all that is asked for, its arrays are not copied."""
    only = part(slice(0, 2), [0, 0], 2)
    found = pages.assemble(pages.absent(0, 0, 2, 1024), 1024, [only])
    assert found.kinds is only.kinds
    assert found.pages is next(iter(only.fetch()))


def test_data_in_pieces_goes_into_the_buffer() -> None:
    """Where there is a buffer, pages that come in pieces stand in it."""
    buffer = np.empty(8192, np.uint8)
    found = pages.assemble(pages.absent(0, 0, 2, 1024), 1024, [part(slice(0, 2), [0, 0], 1, 1)], buffer)
    assert np.shares_memory(found.pages, buffer)
    assert found.pages[:, 0].tolist() == [0, 1]


def test_nothing_makes_a_batch_of_absent_pages() -> None:
    """Without parts, and without pages, a batch is still one."""
    found = pages.assemble(pages.absent(0, 4, 3, 1024), 1024, [])
    assert found.kinds.tolist() == [PageKind.ABSENT] * 3
    assert found.pages.shape == (0, 1024)
    assert pages.assemble(pages.absent(0, 4, 0, 1024), 1024, []).count == 0


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.booleans())
def test_pages_are_put_together(kept: list[bool], moved: bool) -> None:
    """Those that are kept, in order, whether they stand in the room or elsewhere; a single run stays where it is."""
    room = np.random.default_rng(len(kept)).integers(0, 256, (len(kept), 1024)).astype(np.uint8)
    given_pages = room if moved else room.copy()
    rows = np.flatnonzero(kept)
    expected = given_pages[rows].copy()
    found = pages.together(given_pages, rows, room)
    assert np.array_equal(found, expected)
    one_run = len(rows) > 0 and int(rows[-1]) - int(rows[0]) == len(rows) - 1
    assert not one_run or np.shares_memory(found, given_pages)
    assert one_run or not len(rows) or np.shares_memory(found, room)
