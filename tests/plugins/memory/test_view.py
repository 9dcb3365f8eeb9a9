"""The memory of an opened image."""

from __future__ import annotations

import functools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.api import RamBlock
from domctx.errors import DomainError, RecordError
from domctx.states import PageKind
from domctx_memory.layout import MemoryHead
from domctx_memory.page_map import read_map
from domctx_memory.view import FRAME_CACHE, MAP_CACHE, Cache, ImageMemory
from helpers.memory import (
    Road,
    SourceMemory,
    block_of,
    changed_rest,
    empty_memory,
    head_of,
    indexed,
    memories,
    picture,
    random_pages,
    sample_memory,
    sealed,
)

OPTIONS = [(), ("compression=none",)]


@settings(max_examples=25, deadline=None)
@given(memories(), st.sampled_from(OPTIONS))
def test_a_view_shows_what_was_saved(memory: SourceMemory, given_: tuple[str, ...]) -> None:
    """Read whole, and batch by batch, an image's memory is the memory that was saved."""
    road = Road(memory.blocks, given_)
    view = road.view(*road.bodies(memory))
    assert picture(view) == picture(memory)
    again = empty_memory(memory.blocks)
    for batch in view.batches(100):
        again.store(batch)
    assert picture(again) == picture(memory)


LARGE = sample_memory(5, 2500, typed=True)
LARGE_BODIES = Road(LARGE.blocks).bodies(LARGE)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2499), st.integers(0, 200)), min_size=1, max_size=5))
def test_kinds_are_those_of_the_pages(ranges: list[tuple[int, int]]) -> None:
    """Of any range, and without unpacking a frame."""
    view = Road(LARGE.blocks).view(*LARGE_BODIES)
    for first, count in ranges:
        count = min(count, 2500 - first)
        assert view.kinds(0, first, count).tolist() == view.read(0, first, count).kinds.tolist()
    with pytest.raises(DomainError):
        view.kinds(0, 2500, 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2499), st.integers(0, 200)), min_size=1, max_size=5))
def test_pages_read_at_random_are_those_that_were_saved(ranges: list[tuple[int, int]]) -> None:
    """Any range of pages, in any order, is what a memory that was loaded gives."""
    road = Road(LARGE.blocks)
    view, loaded = road.view(*LARGE_BODIES), road.load_bodies(*LARGE_BODIES)
    for first, count in ranges:
        one, other = (side.read(0, first, min(count, 2500 - first)) for side in (view, loaded))
        for name in ("kinds", "pages", "fills", "types"):
            assert np.array_equal(getattr(one, name), getattr(other, name))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 32), st.integers(0, 299), st.integers(1, 300)), max_size=5))
def test_where_records_overlap_the_last_wins(rounds: list[tuple[int, int, int]]) -> None:
    """Of pages that several records hold, a view and a load give those of the last record."""
    road = Road([block_of(300)])
    bodies: list[bytes] = []
    for seed, first, count in rounds:
        count = min(count, 300 - first)
        part = empty_memory([block_of(count)])
        part.store(random_pages(seed, count, 4096).batch(0, 0, 0, count))
        for body in Road(part.blocks).bodies(part):
            head = head_of(body)
            moved = MemoryHead(0, 12, head.codec, head.kinds, head.types, first, count, head.data, head.fills, 0)
            bodies.append(sealed(moved, body[64:]))
    assert picture(road.view(*bodies)) == picture(road.load_bodies(*bodies))


def test_a_page_costs_one_frame() -> None:
    """To read a page its record's head and page map are read, and the one frame that holds it; then nothing more."""
    loaded = Road(LARGE.blocks).view(*LARGE_BODIES)
    page = next(page for page in range(2499, 0, -1) if loaded.read(0, page, 1).kinds[0] == PageKind.DATA)
    records = indexed(LARGE_BODIES)
    view = ImageMemory(records, Road(LARGE.blocks).context())
    assert view.index
    reads = records[0]._file.reads
    del reads[:]
    view.read(0, page, 1)
    map_ = read_map(LARGE_BODIES[page // 1024], len(LARGE_BODIES[page // 1024]))
    sizes = np.diff(map_.starts).tolist()
    assert [size for _, size in reads][:2] == [64, map_.starts[0]]
    assert len(reads) == 3
    assert reads[2][1] in sizes
    view.read(0, page, 1)
    assert len(reads) == 3


def test_nothing_is_read_before_it_is_needed() -> None:
    """Opening memory reads nothing, and its blocks are the machine's."""
    records = indexed(LARGE_BODIES)
    view = ImageMemory(records, Road(LARGE.blocks).context())
    assert list(view.blocks) == list(LARGE.blocks)
    assert records[0]._file.reads == []


def test_a_guest_of_a_terabyte_opens_in_megabytes() -> None:
    """The index of 1 TiB, one record for each 4 MiB, takes 5 MiB, and so does making it but for the records."""
    road = Road([RamBlock("ram", 1 << 30)])
    count = 256
    bodies = [sealed(MemoryHead(0, 12, 1, 1, 0, 1024 * n, 1024, 0, 0, 0), b"\x01") for n in range(count)]
    records = indexed(bodies)
    view = ImageMemory(records, road.context())
    tracemalloc.start()
    assert view.index.nbytes == 20 * count
    assert tracemalloc.get_traced_memory()[1] < 1000 * count
    tracemalloc.stop()
    assert (view.read(0, 255 * 1024, 1024).kinds == PageKind.ZERO).all()


def test_pages_that_no_record_holds_are_absent() -> None:
    """Memory of an image that holds no record of it is absent, in one batch or many."""
    view = Road([block_of(3000)]).view()
    assert picture(view) == picture(empty_memory([block_of(3000)]))
    assert [batch.count for batch in view.batches(1024)] == [1024, 1024, 952]


def test_batches_are_no_larger_than_a_record() -> None:
    """However many pages are asked for."""
    view = Road(LARGE.blocks).view(*LARGE_BODIES)
    assert [batch.count for batch in view.batches(5000)] == [1024, 1024, 452]


def test_a_damaged_frame_is_named() -> None:
    """A page of a damaged frame is refused, naming record and offset; other pages are read."""
    broken = bytearray(LARGE_BODIES[1])
    broken[-1] ^= 1
    view = Road(LARGE.blocks).view(LARGE_BODIES[0], bytes(broken), LARGE_BODIES[2])
    assert view.read(0, 0, 1024).count == 1024
    for act in (lambda: view.read(0, 1024, 1024), lambda: list(view.batches())):
        with pytest.raises(RecordError, match="of a frame is wrong") as caught:
            act()
        assert (caught.value.file, caught.value.record) == ("<octets>", "MEMORY[1]")
        assert caught.value.offset


def test_a_damaged_page_map_is_named() -> None:
    """A page of a record whose page map cannot be is refused, naming the record."""
    view = Road(LARGE.blocks).view(changed_rest(LARGE_BODIES[0], 0, b"\xff\xff\xff\xff"), *LARGE_BODIES[1:])
    with pytest.raises(RecordError, match="frame 0 has a length") as caught:
        view.read(0, 0, 1)
    assert (caught.value.file, caught.value.record) == ("<octets>", "MEMORY[0]")


def test_a_view_is_read_only() -> None:
    """An image's memory takes no pages, and gives none outside of its blocks."""
    view = Road([block_of(10)]).view()
    with pytest.raises(DomainError, match="cannot be written"):
        view.store(random_pages(1, 1, 4096).batch(0, 0, 0, 1))
    with pytest.raises(DomainError, match="outside of RAM block"):
        view.read(0, 9, 2)


def test_blocks_whose_pages_fit_no_record_are_refused() -> None:
    """The memory of an image with such a block cannot be read."""
    with pytest.raises(DomainError, match="pages of a size"):
        Road([RamBlock("huge", 1 << 40, 30)]).view().read(0, 0, 1)


def test_a_cache_keeps_what_was_used_last() -> None:
    """Values are kept up to the limit, and those that were not used for longest go first."""
    cache: Cache[str] = Cache(3, len)
    made: list[int] = []

    def make(number: int) -> str:
        made.append(number)
        return "x"

    for number in (1, 2, 3, 1, 4, 1, 2):
        assert cache.get((0, number), functools.partial(make, number)) == "x"
    assert made == [1, 2, 3, 4, 2]
    assert cache.weight == 3


def test_frames_in_the_cache_are_bounded() -> None:
    """However many pages are read, no more than 32 MiB of frames and some page maps are kept."""
    noise = np.random.default_rng(1).integers(0, 256, (1024, 4096)).astype(np.uint8)
    source = empty_memory([block_of(1024)])
    source.pages[0].kinds[:], source.pages[0].contents[:] = 0, noise
    (body,) = Road(source.blocks).bodies(source)
    head = head_of(body)
    bodies = [
        sealed(MemoryHead(0, 12, head.codec, 1, 0, 1024 * number, 1024, 1024, 0, 0), body[64:]) for number in range(10)
    ]
    view = Road([block_of(10 * 1024)]).view(*bodies)
    for page in range(0, 10 * 1024, 32):
        view.read(0, page, 1)
    assert view._frames.weight == FRAME_CACHE
    assert view._maps.weight == 10 <= MAP_CACHE
