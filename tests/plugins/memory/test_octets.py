"""Runs of octets out of pages."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.api import Placement
from domctx.errors import DomainError
from domctx.states import PageBatch, PageKind
from domctx_memory.address import Extent
from domctx_memory.layout import RECORD_OCTETS
from domctx_memory.octets import Piece, physical_reader, pieces, runs, without_contents
from domctx_memory.pages import whole
from helpers.memory import SourceMemory, block_of, memories, random_pages

PAGES = random_pages(4, 2100, 4096)
WHOLE = PAGES.contents.reshape(-1)


class Counted(SourceMemory):
    """A memory that counts the pages that are read."""

    read_pages = 0

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """Count, and read."""
        self.read_pages += count
        return super().read(block, first, count)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2100 * 4096), st.integers(0, 9000) | st.integers(0, 2100 * 4096))
def test_octets_are_those_of_the_pages(offset: int, length: int) -> None:
    """Any run of octets is read, and from no more pages than hold it."""
    length = min(length, 2100 * 4096 - offset)
    memory = Counted([block_of(2100)], [PAGES])
    found = [piece.octets.copy() for piece in pieces(memory, [Extent(0, 0, offset, length)])]
    assert np.array_equal(np.concatenate([*found, WHOLE[:0]]), WHOLE[offset : offset + length])
    assert memory.read_pages <= length // 4096 + 2


@settings(max_examples=60, deadline=None)
@given(memories(), st.data())
def test_octets_of_extents_from_all_over_come_one_behind_the_other(memory: SourceMemory, data: st.DataObject) -> None:
    """Whatever extents are read together, octets and pages are those of each alone, in their order."""
    extents, wanted, numbers = [], [], []
    for _ in range(data.draw(st.integers(0, 30))):
        number = data.draw(st.integers(0, len(memory.blocks) - 1))
        block, size = memory.blocks[number], 1 << memory.blocks[number].page_shift
        whole_pages = data.draw(st.booleans())
        step = size if whole_pages else 1
        offset = data.draw(st.integers(0, block.size // step - 1)) * step
        length = min(data.draw(st.integers(1, 5 * size // step)) * step, block.size - offset)
        extents.append(Extent(0, number, offset, length))
        for page in range(offset // size, -(-(offset + length) // size)):
            low, high = max(offset - page * size, 0), min(offset + length - page * size, size)
            wanted.append(whole(memory.read(number, page, 1), size)[0, low:high].tobytes())
            numbers.append((number, page, int(memory.read(number, page, 1).kinds[0])))
    found = list(pieces(memory, extents))
    assert b"".join(piece.octets.tobytes() for piece in found) == b"".join(wanted)
    told = [
        (piece.block, *row) for piece in found for row in zip(piece.pages.tolist(), piece.kinds.tolist(), strict=True)
    ]
    assert told == numbers
    assert all(piece.octets.nbytes <= RECORD_OCTETS for piece in found)


def test_stretches_end_where_pages_or_values_do() -> None:
    """Consecutive pages with one value are one stretch."""
    piece = Piece(np.zeros(0, np.uint8), 0, np.array([3, 4, 5, 9, 10, 2]), np.array([0, 0, 1, 1, 1, 1], np.uint8))
    assert list(piece.stretches(piece.kinds)) == [(0, 2), (2, 3), (3, 5), (5, 6)]
    assert list(piece.stretches(piece.kinds > 5)) == [(0, 3), (3, 5), (5, 6)]


def test_kinds_without_contents_are_known() -> None:
    """DATA, ZERO and FILL pages have contents, all others have not."""
    found = without_contents(np.arange(7).astype(np.uint8))
    assert found.tolist() == [kind > PageKind.FILL for kind in range(7)]


def test_runs_of_true_values() -> None:
    """Runs are told by where they start and stop."""
    assert list(runs(np.array([1, 1, 0, 1], bool))) == [(0, 2), (3, 4)]
    assert list(runs(np.zeros(3, bool))) == list(runs(np.zeros(0, bool))) == []


def test_physical_memory_is_read_by_addresses() -> None:
    """Octets come across runs of RAM that touch; where there is none is refused."""
    blocks = [
        attrs.evolve(block_of(2100), name="a", placements=(Placement(0, 4096, 8192), Placement(8192, 0, 4096))),
    ]
    read = physical_reader(SourceMemory(blocks, [PAGES]))
    assert read(0x1FFE, 4) == WHOLE[0x2FFE:0x3000].tobytes() + WHOLE[:2].tobytes()
    with pytest.raises(DomainError, match="outside of guest-physical memory"):
        read(0x2FFE, 4)
