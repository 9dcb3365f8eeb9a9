"""Tests of domctx_sim.frame_table: owners, types and counts of all frames, and the allocator."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomainError
from domctx_sim.frame_table import HEAP_FRAMES, NAME, NO_PFN, XEN, FrameFlag, FrameTable, FrameType
from domctx_sim.layout import MAX_FRAMES


@pytest.fixture
def table(tmp_path: Path) -> FrameTable:
    """The table of a new machine."""
    return FrameTable(tmp_path)


def generator(seed: int = 1) -> np.random.Generator:
    """A random generator that can be repeated."""
    return np.random.default_rng(seed)


def test_new_table(table: FrameTable) -> None:
    """A new machine's frames are nobody's, but those of Xen's heap, and the M2P names no page."""
    assert np.all(table.owner[:HEAP_FRAMES] == XEN)
    assert len(table.free()) == MAX_FRAMES - HEAP_FRAMES
    assert np.all(table.m2p == NO_PFN)


def test_what_is_saved_is_loaded(table: FrameTable, tmp_path: Path) -> None:
    """All columns come back from the file, which holds only what is not zero."""
    frames = table.allocate(3, 5000, generator())
    shared = table.share(3)
    table.m2p[frames] = np.arange(5000)
    table.save()
    again = FrameTable(tmp_path)
    for name in ("owner", "type", "flags", "type_count", "count", "m2p"):
        assert np.array_equal(getattr(again, name), getattr(table, name)), name
    assert again.owner[shared] == 3
    assert (tmp_path / NAME).stat().st_blocks * 512 < 4 << 20
    again.owner[:] = 0
    assert FrameTable(tmp_path).owner[frames[0]] == 3


@settings(max_examples=15, deadline=None)
@given(pages=st.integers(1, 5000), seed=st.integers(0, 1 << 32))
def test_frames_are_scattered(tmp_path_factory: pytest.TempPathFactory, pages: int, seed: int) -> None:
    """A domain gets as many different free frames as it asks for, in an order that the seed fixes."""
    table = FrameTable(tmp_path_factory.getbasetemp())
    frames = table.allocate(1, pages, generator(seed))
    assert len(np.unique(frames)) == pages
    assert frames.min() >= HEAP_FRAMES
    assert np.array_equal(table.owned(1), np.sort(frames))
    assert np.array_equal(FrameTable(tmp_path_factory.getbasetemp()).allocate(1, pages, generator(seed)), frames)


def test_neighbours_are_parted(table: FrameTable) -> None:
    """Hardly any page is followed by the next frame."""
    frames = table.allocate(1, 4096, generator())
    assert np.count_nonzero(np.diff(frames) == 1) < 20


def test_the_last_frames(table: FrameTable) -> None:
    """A domain can have all frames that are free, and no more."""
    free = len(table.free())
    with pytest.raises(DomainError, match="too few free frames"):
        table.allocate(1, free + 1, generator())
    assert len(table.allocate(1, free, generator())) == free
    with pytest.raises(DomainError, match="too few free frames; expected 0x1, got 0x0"):
        table.allocate(1, 1, generator())


def test_shared_frames(table: FrameTable) -> None:
    """A shared frame is the domain's to map, is none of its pages, and is given out once."""
    frames = [table.share(1) for _ in range(3)]
    assert len(set(frames)) == 3
    assert len(table.owned(1)) == 0
    assert [table.count[frames].tolist(), table.type[frames].tolist()] == [[1] * 3, [FrameType.WRITABLE] * 3]


def test_the_heap_ends(table: FrameTable) -> None:
    """Shared frames can be used up."""
    while np.any(table.count[:HEAP_FRAMES] == 0):
        table.share(1)
    with pytest.raises(DomainError, match="heap is used up"):
        table.share(1)


def test_release(table: FrameTable) -> None:
    """What a domain owned is free again, and Xen's is Xen's."""
    frames, shared = table.allocate(1, 100, generator()), table.share(1)
    table.m2p[frames] = 5
    table.release(1)
    assert len(table.free()) == MAX_FRAMES - HEAP_FRAMES
    assert table.owner[shared] == XEN
    assert not table.count[frames].any()
    assert np.all(table.m2p == NO_PFN)


def test_page_types(table: FrameTable) -> None:
    """Only a use as a page table shows, and whether the owner pinned it."""
    mfns = table.allocate(1, 6, generator())
    table.type[mfns] = [1, 2, 2, 5, 7, 1]
    table.type_count[mfns] = [1, 1, 1, 1, 1, 0]
    table.set(mfns[2:3], FrameFlag.PINNED)
    assert table.page_types(mfns).tolist() == [1, 2, 10, 0, 0, 0]
    table.clear(mfns, FrameFlag.PINNED)
    assert not table.has(mfns, FrameFlag.PINNED).any()


def test_damaged_table(tmp_path: Path) -> None:
    """A file of the wrong size, or one that is no file, is refused."""
    (tmp_path / NAME).write_bytes(b"x")
    with pytest.raises(DomainError, match="frame table has the wrong size"):
        FrameTable(tmp_path)
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).mkdir()
    with pytest.raises(DomainError, match="wrong size"):
        FrameTable(tmp_path)


def test_unreadable_table(table: FrameTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk refuses is told, when the table is loaded and when it is saved."""

    def broken(*arguments: object, **options: object) -> int:
        raise OSError(errno.EIO, "broken")

    table.save()
    monkeypatch.setattr(np, "memmap", broken)
    with pytest.raises(DomainError, match="Input/output error"):
        FrameTable(tmp_path)
    monkeypatch.setattr(os, "pwrite", broken)
    with pytest.raises(DomainError, match="Input/output error"):
        table.save()


def test_short_writes_of_the_table_go_on(table: FrameTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that the system cuts short goes on where it stopped: the table comes back whole."""
    mfns = table.allocate(1, 6, generator())
    table.m2p[mfns] = np.arange(6)
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, view, offset: whole(descriptor, view[:1000], offset))
    table.save()
    again = FrameTable(tmp_path)
    assert np.array_equal(again.owner, table.owner)
    assert np.array_equal(again.m2p, table.m2p)
