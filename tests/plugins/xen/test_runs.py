"""Runs of pages against a plain dictionary of pages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from domctx.errors import UnsupportedError
from domctx_xen import runs as module
from domctx_xen.runs import Columns, Runs, joined, no_runs, runs_of, settled

PAGE = 4096
WORDS = st.lists(st.tuples(st.integers(0, 40), st.sampled_from([0, 1, 9, 0xD, 0xF])), max_size=200)


def columns(words: list[tuple[int, int]]) -> Columns:
    """Single pages in stream order as runs: those with octets stand one behind the other."""
    pfns = np.array([pfn for pfn, _ in words], np.int64)
    types = np.array([kind for _, kind in words], np.uint8)
    data = types < 0xD
    offsets = np.where(data, 64 + PAGE * (np.cumsum(data) - data), 0)
    return runs_of(pfns, offsets, types)


def pages(runs: Columns) -> dict[int, tuple[int, int]]:
    """The pages of runs, the last of each: (type, offset)."""
    found = {}
    for first, count, offset, kind in zip(runs.firsts, runs.counts, runs.offsets, runs.types, strict=True):
        for place in range(int(count)):
            found[int(first) + place] = (int(kind), int(offset) + (PAGE * place if kind < 0xD else 0))
    return found


@given(WORDS)
def test_runs_tell_the_same_pages(words: list[tuple[int, int]]) -> None:
    """Whatever the order and the repeats: the last word of each page, ascending, no page twice, no two runs to join."""
    found = settled(columns(words))
    offset, expected = 64, dict[int, tuple[int, int]]()
    for pfn, kind in words:
        expected[pfn] = (kind, offset if kind < 0xD else 0)
        offset += PAGE if kind < 0xD else 0
    assert pages(found) == expected
    assert int(found.counts.sum()) == len(expected)
    assert (found.ends[:-1] <= found.firsts[1:]).all()
    assert len(settled(found)) == len(found)


@given(WORDS, st.integers(1, 30), st.sampled_from([0, 1 << 20]))
def test_how_runs_are_painted_does_not_show(words: list[tuple[int, int]], step: int, span: int) -> None:
    """Small and large steps, page by page and by the edges of runs, give the same."""
    whole = settled(columns(words))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STEP", step)
        patch.setattr(module, "SPAN", span)
        found = settled(columns(words))
    assert pages(found) == pages(whole)
    assert len(found) == len(whole)


def test_consecutive_pages_are_one_run() -> None:
    """A thousand pages that stand together take one entry, and pages without octets too."""
    assert len(columns([(pfn, 0) for pfn in range(1000)])) == 1
    assert len(columns([(pfn, 0xF) for pfn in range(1000)])) == 1
    assert len(columns([(pfn, 0) for pfn in (3, 2, 1)])) == 3
    assert len(no_runs()) == len(joined([])) == len(columns([])) == 0


def test_what_comes_behind_keep_can_be_dropped() -> None:
    """Pages of a stretch that does not end never count; repeats among those that do are counted."""
    found = Runs()
    found.add(columns([(0, 0), (1, 0)]))
    found.keep()
    found.add(columns([(1, 0xF), (7, 0)]))
    found.drop()
    assert sorted(pages(found.settle())) == [0, 1]
    found.add(columns([(1, 0xF)]))
    found.keep()
    assert pages(found.settle())[1] == (0xF, 0)
    assert found.repeated == 1


def test_what_many_checkpoints_keep_is_kept() -> None:
    """Every page of each, and the last of a page that each of them has."""
    found = Runs()
    count = 3 * module.PARTS + 5
    for pfn in range(1, count):
        found.add(columns([(pfn, 0xE), (0, 0xE if pfn < count - 1 else 0xF)]))
        found.keep()
    assert len(found) == 2 * (count - 1)
    kept = pages(found.settle())
    assert (sorted(kept), kept[0], len(found)) == (list(range(count)), (0xF, 0), 2)
    assert found.repeated == count - 2


def test_too_many_runs_are_joined_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeats are settled when room runs out; what is still too much is refused, and says what to do."""
    monkeypatch.setattr(module, "LIMIT", 8)
    monkeypatch.setattr(module, "PENDING", 4)
    found = Runs()
    for _ in range(20):
        found.add(columns([(0, 0), (2, 0xF)]))
    found.keep()
    assert sorted(pages(found.settle())) == [0, 2]
    with pytest.raises(UnsupportedError, match="xl save"):
        found.add(columns([(pfn, 0) for pfn in range(0, 30, 2)]))


def test_runs_of_a_window_are_found() -> None:
    """Those that have pages in it, cut or not."""
    found = settled(columns([(pfn, 0) for pfn in (0, 1, 5, 6, 9)]))
    assert found.within(2, 3) == range(1, 1)
    assert found.within(1, 5) == range(2)
    assert found.within(6, 100) == range(1, 3)
