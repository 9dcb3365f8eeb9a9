"""Which record holds which page."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.api import RamBlock
from domctx.errors import RecordError, UnsupportedError
from domctx_memory.index import Index, Run
from domctx_memory.layout import MemoryHead
from helpers.memory import Road, block_of, changed_head, indexed, sample_memory, sealed

PAGES = 300


def body_of(block: int, first: int, count: int) -> bytes:
    """A body of zero pages."""
    return sealed(MemoryHead(block, 12, 1, 1, 0, first, count, 0, 0, 0), b"\x01")


spans = st.lists(st.tuples(st.integers(0, PAGES - 1), st.integers(1, 120)), max_size=12)


@settings(max_examples=100, deadline=None)
@given(spans, st.integers(0, PAGES - 1), st.integers(0, PAGES))
def test_of_records_that_overlap_the_last_wins(told: list[tuple[int, int]], first: int, count: int) -> None:
    """Runs are disjoint, ascending, cut to what is asked for, and of each page the last record that holds it."""
    told = [(start, min(size, PAGES - start)) for start, size in told]
    count = min(count, PAGES - first)
    winner = np.full(PAGES, -1)
    for number, (start, size) in enumerate(told):
        winner[start : start + size] = number
    index = Index(indexed([body_of(0, *span) for span in told]), [block_of(PAGES)])
    found = np.full(PAGES, -1)
    last = first
    for run in index.runs(0, first, count):
        assert last <= run.first < run.last <= first + count
        found[run.first : run.last] = run.record
        last = run.last
    assert found[first : first + count].tolist() == winner[first : first + count].tolist()


def test_blocks_have_runs_of_their_own() -> None:
    """Records of two blocks, in any order, are told apart; a block of no record has no run."""
    blocks = [block_of(100), block_of(100), block_of(100)]
    index = Index(indexed([body_of(1, 50, 10), body_of(0, 0, 100), body_of(1, 0, 50)]), blocks)
    assert list(index.runs(0, 10, 5)) == [Run(10, 15, 1)]
    assert list(index.runs(1, 0, 100)) == [Run(0, 50, 2), Run(50, 60, 0)]
    assert list(index.runs(2, 0, 100)) == []


def test_a_record_is_one_entry() -> None:
    """An index takes 20 octets for each record, whatever the record covers, and twice that for records that overlap."""
    blocks = [RamBlock("ram", 1 << 40)]
    bodies = [body_of(0, 1024 * number, 1024) for number in range(100)]
    assert Index(indexed(bodies), blocks).nbytes == 20 * 100
    rounds = [body_of(0, 1024 * number + 100, 10) for number in range(100)]
    assert Index(indexed([*bodies, *rounds]), blocks).nbytes == 20 * 300


def test_no_records_make_an_empty_index() -> None:
    """An image without records has no runs."""
    assert list(Index([], [block_of(9)]).runs(0, 0, 9)) == []


def test_only_heads_are_read() -> None:
    """To make an index 64 octets of each record are read."""
    memory = sample_memory(pages=3000)
    records = indexed(Road(memory.blocks).bodies(memory))
    Index(records, memory.blocks)
    assert [size for _, size in records[0]._file.reads] == [64, 64, 64]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "too short"),
        (b"\0" * 64, "digest of the head"),
        (changed_head(body_of(0, 0, 9), block=1), "block cannot be"),
        (changed_head(body_of(0, 0, 9), first=92), "pages outside"),
        (changed_head(body_of(0, 0, 9), page_shift=11), "page_shift cannot be"),
        (changed_head(body_of(0, 0, 9), first=(1 << 64) - 9), "pages outside"),
    ],
)
def test_a_record_that_cannot_be_is_named(body: bytes, message: str) -> None:
    """A record whose head is damaged, or that is of pages that the machine lacks, is refused, naming it."""
    with pytest.raises(RecordError, match=message) as caught:
        Index(indexed([body_of(0, 0, 100), body]), [block_of(100)])
    assert (caught.value.file, caught.value.record) == ("<octets>", "MEMORY[1]")
    assert caught.value.offset


def test_an_unknown_codec_is_named() -> None:
    """A record that this reader cannot unpack is refused when the index is made."""
    with pytest.raises(UnsupportedError) as caught:
        Index(indexed([changed_head(body_of(0, 0, 9), codec=9)]), [block_of(100)])
    assert (caught.value.file, caught.value.record) == ("<octets>", "MEMORY[0]")
