"""Records become memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import RecordError
from domctx.states import PageBatch
from domctx_memory.load import check, load
from domctx_memory.page_map import told_extent
from helpers.memory import (
    Road,
    SourceMemory,
    block_of,
    changed_head,
    empty_memory,
    picture,
    random_pages,
    sample_memory,
    stream_of,
)

MEMORY = sample_memory(7, 2500)
ROAD = Road(MEMORY.blocks)
BODIES = ROAD.bodies(MEMORY)


def test_the_last_record_of_a_page_wins() -> None:
    """Where records overlap, the one that comes last in the stream gives the page."""
    first, second = (empty_memory([block_of(100)]) for _ in range(2))
    first.store(random_pages(1, 100, 4096).batch(0, 0, 0, 100))
    second.store(random_pages(2, 100, 4096).batch(0, 0, 0, 100))
    road = Road(first.blocks)
    one, other = road.bodies(first), road.bodies(second)
    assert picture(road.load_bodies(*one, *other)) == picture(second)
    assert picture(road.load_bodies(*other, *one)) == picture(first)


class Part(SourceMemory):
    """A memory that gives some of its pages only."""

    def __init__(self, salt: int, first: int, count: int) -> None:
        super().__init__([block_of(130)], [])
        self._batch = random_pages(salt, count, 4096).batch(0, first, 0, count)

    def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
        """These pages."""
        yield self._batch


class Placed(SourceMemory):
    """Memory that takes the pages below ``limit`` from any thread, and notes where those begin that came so."""

    def __init__(self, limit: int) -> None:
        whole = empty_memory([block_of(130)])
        super().__init__(whole.blocks, whole.pages)
        self.placed: list[int] = []
        self._limit = limit

    def placer(self) -> Callable[[PageBatch], bool]:
        """Below the limit."""
        return self._place

    def _place(self, batch: PageBatch) -> bool:
        if batch.first >= self._limit:
            return False
        self.placed.append(batch.first)
        self.store(batch)
        return True


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 40)), max_size=12), st.integers(0, 100))
def test_pages_that_are_put_straight_to_their_places(extents: list[tuple[int, int]], limit: int) -> None:
    """The last record of a page gives it here too: only those are put so that stand behind all before them."""
    road = Road([block_of(130)])
    bodies = [body for salt, extent in enumerate(extents) for body in road.bodies(Part(salt, *extent))]
    told = [told_extent(body)[1:] for body in bodies]
    state = Placed(limit)
    load(state, road.run(stream_of(bodies)), road.context())
    assert picture(state) == picture(road.load_bodies(*bodies))
    ends = itertools.accumulate((stop for _, stop in told), max, initial=0)
    assert sorted(state.placed) == [first for (first, _), end in zip(told, ends, strict=False) if end <= first < limit]
    assert told == [(first, first + count) for first, count in extents]


def test_what_is_too_short_covers_nothing() -> None:
    """It has no head to tell of pages."""
    assert told_extent(BODIES[0][:10]) == (0, 0, 0)


def test_check_decodes_everything_and_keeps_nothing() -> None:
    """``check`` reads a good run to its end, and tells its progress."""
    road = Road(MEMORY.blocks)
    run = road.run(stream_of(BODIES))
    check(run, road.context())
    run.finish()
    assert sum(road.progress) == 2500 * 4096


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(BODIES) - 1), st.integers(0, 1 << 32))
def test_damage_is_refused_naming_the_record_and_its_offset(index: int, chance: int) -> None:
    """A bit flipped anywhere in any record is refused by load and by check, with the record and where it stands."""
    body = bytearray(BODIES[index])
    bit = chance % (8 * len(body))
    body[bit // 8] ^= 1 << bit % 8
    bodies = [*BODIES[:index], bytes(body), *BODIES[index + 1 :]]
    octets = stream_of(bodies)
    for act in (lambda: ROAD.load(octets), lambda: check(ROAD.run(octets), ROAD.context())):
        with pytest.raises(RecordError) as caught:
            act()
        assert caught.value.record == f"MEMORY[{index}]"
        assert caught.value.offset == len(stream_of(bodies[:index]))


def test_records_of_pages_that_the_machine_lacks_are_refused() -> None:
    """A record of a block, or of pages, that the machine does not have is refused, naming the record."""
    with pytest.raises(RecordError, match="block cannot be") as caught:
        ROAD.load_bodies(BODIES[0], changed_head(BODIES[1], block=1))
    assert caught.value.record == "MEMORY[1]"
    with pytest.raises(RecordError, match="pages outside"):
        Road([block_of(2499)]).load_bodies(*BODIES)


def test_pages_that_no_record_tells_are_absent() -> None:
    """Memory of which no record came is absent."""
    state = Road([block_of(5)]).load(b"")
    assert picture(state) == picture(empty_memory([block_of(5)]))
