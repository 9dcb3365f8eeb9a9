"""Memory becomes records."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.api import RamBlock
from domctx.errors import DomainError, UsageError
from domctx.states import PageBatch
from domctx.wire import record_size
from domctx_memory.layout import MAX_BODY, Codec
from domctx_memory.page_map import map_size
from domctx_memory.save import estimate_size, max_size
from helpers.memory import (
    Road,
    SourceMemory,
    block_of,
    empty_memory,
    head_of,
    memories,
    picture,
    random_pages,
    sample_memory,
)

OPTIONS = [(), ("compression=none",), ("level=-7",), ("compression=zstd", "level=3")]


@settings(max_examples=40, deadline=None)
@given(memories(), st.sampled_from(OPTIONS))
def test_saved_and_loaded_memory_is_the_same(memory: SourceMemory, given_: tuple[str, ...]) -> None:
    """Memory that was saved, with any codec, and loaded again has the same pages, kinds and types."""
    road = Road(memory.blocks, given_)
    assert picture(road.load(road.save(memory))) == picture(memory)


@settings(max_examples=25, deadline=None)
@given(memories(), st.sampled_from(OPTIONS))
def test_one_state_has_one_image(memory: SourceMemory, given_: tuple[str, ...]) -> None:
    """However a source cuts its batches, and when it was saved before, the records are the same octets."""
    road = Road(memory.blocks, given_)
    octets = road.save(memory)
    assert road.save(SourceMemory(memory.blocks, memory.pages)) == octets
    assert road.save(road.load(octets)) == octets


@settings(max_examples=25, deadline=None)
@given(memories(), st.sampled_from(OPTIONS))
def test_the_bound_holds(memory: SourceMemory, given_: tuple[str, ...]) -> None:
    """Records take no more than ``max_size`` says; a dry run writes just that much."""
    road = Road(memory.blocks, given_)
    bound = max_size(memory, road.context())
    assert len(road.save(memory, before=b"12345678")) - record_size(8) <= bound
    assert len(road.save(memory, dry_run=True)) == bound


def test_a_dry_run_touches_no_page() -> None:
    """A dry run neither reads nor packs a page, and takes a body's worth of memory for a guest of a terabyte."""

    class Untouchable(SourceMemory):
        def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
            raise AssertionError("a dry run reads pages")

    memory = Untouchable([RamBlock("ram", 1 << 40)], [])
    tracemalloc.start()
    bound = max_size(memory, Road(memory.blocks).context())
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert 1 << 40 < bound < 1.01 * (1 << 40)
    small = Untouchable([block_of(3000)], [])
    assert len(Road(small.blocks).save(small, dry_run=True)) == max_size(small, Road(small.blocks).context())


def test_frames_that_are_not_compressed_are_page_aligned_in_the_image() -> None:
    """Wherever a record stands, its frames begin at a multiple of 4096 octets of the image."""
    memory = sample_memory(pages=3000)
    road = Road(memory.blocks, ("compression=none",))
    octets = road.save(memory, before=b"x" * 1001)
    checked = 0
    offset = record_size(1001)
    while offset < len(octets):
        length = int.from_bytes(octets[offset + 8 : offset + 16], "little")
        head = head_of(octets[offset + 16 :])
        assert head.codec == Codec.NONE
        if head.data:
            assert (offset + 16 + map_size(head)) % 4096 == 0
            checked += 1
        offset += record_size(length)
    assert checked == 3


def test_progress_counts_guest_memory() -> None:
    """The octets that are reported add up to the guest's memory, on both roads."""
    memory = sample_memory(pages=2500)
    road = Road(memory.blocks)
    octets = road.save(memory)
    assert sum(road.progress) == 2500 * 4096
    road.load(octets)
    assert sum(road.progress) == 2 * 2500 * 4096


@pytest.mark.parametrize("level", [-8, 20, 1000])
def test_levels_out_of_range_are_refused(level: int) -> None:
    """A level that zstd does not have, or that needs more memory than is usual, is refused."""
    memory = sample_memory(pages=3)
    with pytest.raises(UsageError, match="option 'level'"):
        Road(memory.blocks, (f"level={level}",)).save(memory)


def test_blocks_whose_pages_fit_no_record_are_refused() -> None:
    """A block of 1 GiB pages is refused, when it is sized as when it is saved."""
    memory = SourceMemory([RamBlock("huge", 1 << 40, 30)], [random_pages(1, 0, 4096)])
    road = Road(memory.blocks)
    with pytest.raises(DomainError, match="pages of a size"):
        max_size(memory, road.context())
    with pytest.raises(DomainError, match="pages of a size"):
        road.save(memory)


def test_an_estimate_is_near_the_truth() -> None:
    """A sample of a memory that is alike all over estimates its records within a tenth."""
    page = np.frombuffer((b"the quick brown fox " * 300)[:4096], np.uint8)
    large = empty_memory([block_of(9 * 1024 + 7)])
    large.pages[0].kinds[:] = 0
    large.pages[0].contents[:] = page
    for given_ in OPTIONS:
        road = Road(large.blocks, given_)
        octets = len(road.save(large))
        assert abs(estimate_size(large, road.context()) - octets) < octets / 10
    assert estimate_size(empty_memory([]), road.context()) == 0


@pytest.mark.parametrize("part", range(4))
def test_an_estimate_is_of_all_memory(part: int) -> None:
    """Wherever what is hard to pack stands: a save that fits is not refused."""
    memory = empty_memory([block_of(4 * 1024 + 7)])
    noise = memory.pages[0].contents[part * 1024 : part * 1024 + 1024]
    noise[:] = np.random.default_rng(3).integers(0, 256, noise.shape).astype(np.uint8)
    memory.pages[0].kinds[:] = 0
    road = Road(memory.blocks)
    assert estimate_size(memory, road.context()) < len(road.save(memory))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1 << 32))
def test_an_estimate_reads_a_sixteenth(seed: int) -> None:
    """No more than a sixteenth of a memory, or one frame, is read to estimate it, and never over 64 frames."""
    read: list[int] = []

    class Counted(SourceMemory):
        def read(self, block: int, first: int, count: int) -> PageBatch:
            read.append(count)
            return super().read(block, first, count)

    pages = 100 + seed % 5000
    memory = Counted([block_of(pages)], [random_pages(seed, pages, 4096)])
    assert estimate_size(memory, Road(memory.blocks).context()) > 0
    assert sum(read) <= max(64 * 3, pages / 16 + 128)


def test_a_source_that_passes_once_is_not_judged() -> None:
    """Where pages cannot be had at random the estimate is what the heads of the records take."""

    class OnePass(SourceMemory):
        def read(self, block: int, first: int, count: int) -> PageBatch:
            raise DomainError("a pipe passes once")

    memory = OnePass([block_of(3000)], [random_pages(1, 3000, 4096)])
    assert estimate_size(memory, Road(memory.blocks).context()) == 3 * record_size(64)


def test_memory_stays_flat() -> None:
    """Saving and loading 256 MiB of guest takes less than 64 MiB more than it had, since buffers are used again."""

    class Generated(SourceMemory):
        def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
            noise = np.random.default_rng(1).integers(0, 256, (1024, 4096)).astype(np.uint8)
            for first in range(0, 64 * 1024, 1024):
                yield PageBatch(0, first, np.zeros(1024, np.uint8), noise)

    road = Road([block_of(64 * 1024)])
    memory = Generated(road.blocks, [])
    tracemalloc.start()
    octets = road.save(memory)
    grown = tracemalloc.get_traced_memory()[1] - 2 * len(octets)  # the sink's own: a bytearray, copied once
    tracemalloc.stop()
    assert grown < 64 << 20
    tracemalloc.start()
    road.load(octets)
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


def test_no_body_is_over_the_types_largest() -> None:
    """A record of noise, typed, uncompressed and with the longest filler is within the type's largest body."""
    noise = np.random.default_rng(1).integers(0, 256, (1024, 4096)).astype(np.uint8)
    source = empty_memory([block_of(1024)])
    source.store(PageBatch(0, 0, np.zeros(1024, np.uint8), noise, None, np.arange(1024).astype(np.uint8) % 5))
    (body,) = Road(source.blocks, ("compression=none",)).bodies(source)
    assert len(body) <= MAX_BODY
