"""Pages from all over a block, out of any memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from domctx.errors import DomainError
from domctx.states import PageBatch, PageKind, ScatteredPages
from domctx_memory.pages import whole
from domctx_memory.scattered import scattered
from helpers.memory import Road, SourceMemory, block_of, memories, random_pages, sample_memory


@settings(max_examples=60, deadline=None)
@given(memories(), st.data())
def test_scattered_pages_are_those_of_single_reads(memory: SourceMemory, data: st.DataObject) -> None:
    """In any order, each as often as it is asked for; pages without contents are zeros."""
    for number, block in enumerate(memory.blocks):
        wanted = data.draw(st.lists(st.integers(0, block.pages - 1), max_size=50))
        found = scattered(memory, number, np.array(wanted, np.int64))
        single = [memory.read(number, page, 1) for page in wanted]
        assert found.kinds.tolist() == [int(batch.kinds[0]) for batch in single]
        assert found.octets.shape == (len(wanted), 1 << block.page_shift)
        for row, one in zip(found.octets, single, strict=True):
            assert np.array_equal(row, whole(one, 1 << block.page_shift)[0])


class Asked(SourceMemory):
    """A memory that notes what it is asked for."""

    def __init__(self, pages: int) -> None:
        super().__init__([block_of(pages)], [random_pages(3, pages, 4096)])
        self.asked: list[tuple[int, int]] = []

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """Note, and read."""
        self.asked.append((first, count))
        return super().read(block, first, count)


def test_neighbours_are_read_together() -> None:
    """Run by run, ascending: an image unpacks each frame once, in whatever order its pages are asked for."""
    memory = Asked(20)
    scattered(memory, 0, np.array([7, 3, 6, 12, 4, 5]))
    assert memory.asked == [(3, 5), (12, 1)]


class Scattered(Asked):
    """A memory that reads pages from all over a block itself."""

    def scattered(self, block: int, pages: NDArray[np.int64]) -> ScatteredPages:
        """Pages of which the first octet is their number."""
        return ScatteredPages(np.full(len(pages), PageKind.DATA, np.uint8), pages.astype(np.uint8).reshape(-1, 1))


def test_memory_that_reads_all_over_a_block_is_asked_once() -> None:
    """Its pages are taken as it gives them."""
    memory = Scattered(20)
    assert scattered(memory, 0, np.array([7, 3])).octets.tolist() == [[7], [3]]
    assert memory.asked == []


@pytest.mark.parametrize(("block", "pages"), [(1, []), (-1, [0]), (0, [0, 1500]), (0, [-1])])
def test_pages_outside_of_memory_are_refused(block: int, pages: list[int]) -> None:
    """A block that there is not, or a page outside of it."""
    road = Road([block_of(1500)])
    image = road.view(*road.bodies(sample_memory()))
    with pytest.raises(DomainError, match=r"no such RAM block|outside of RAM block"):
        scattered(image, block, np.array(pages, np.int64))
