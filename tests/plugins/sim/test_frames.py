"""Tests of domctx_sim.frames: the sparse file of a machine's memory."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from domctx.errors import DomainError
from domctx_sim.frames import NAME, Frames, create_frames


def words(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    """Pages that all differ."""
    return np.arange(count * 1024, dtype=np.uint32).reshape(count, 1024) + 1


def test_new_frames_take_no_room(tmp_path: Path) -> None:
    """A new machine's 4 GiB are zero and sparse, and its file is the owner's alone."""
    create_frames(tmp_path)
    status = (tmp_path / NAME).stat()
    assert (status.st_size, status.st_blocks, status.st_mode & 0o777) == (1 << 32, 0, 0o600)
    frames = Frames(tmp_path, writable=False)
    assert not frames.words[0xFFFFF].any()
    frames.close()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mfns=st.lists(st.integers(0, 40), unique=True, max_size=41))
def test_what_is_written_is_read(tmp_path: Path, mfns: list[int]) -> None:
    """Pages written in any order, with gaps or without, stand in their frames; others stay as they are."""
    if not (tmp_path / NAME).exists():
        create_frames(tmp_path)
    frames = Frames(tmp_path, writable=True)
    frames.scrub()
    numbers = np.array(mfns, dtype=np.int64)
    frames.write(numbers, words(len(mfns)).view(np.uint8))
    assert np.array_equal(frames.read(numbers), words(len(mfns)))
    others = np.setdiff1d(np.arange(41), numbers)
    assert not frames.read(others).any()
    frames.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.sets(st.integers(0, 300), max_size=40), read=st.lists(st.integers(0, 300), max_size=60))
def test_many_frames_are_read_as_few(tmp_path: Path, written: set[int], read: list[int]) -> None:
    """Frames in any order, some of them twice and some without room in the file, are read as one by one."""
    if not (tmp_path / NAME).exists():
        create_frames(tmp_path)
    frames = Frames(tmp_path, writable=True)
    frames.scrub()
    frames.write(np.array(sorted(written), np.int64), words(len(written)))
    expected = [frames.words[mfn] for mfn in read]
    assert np.array_equal(frames.read(np.array(read, np.int64)), np.array(expected).reshape(-1, 1024))
    frames.close()


def test_frames_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that became shorter, and a disk that fails, are told."""
    create_frames(tmp_path)
    frames = Frames(tmp_path, writable=True)
    frames.write(np.arange(100), words(100))
    os.truncate(tmp_path / NAME, 50 * 4096)
    with pytest.raises(DomainError, match="frames end too early"):
        frames.read(np.arange(100))

    def broken(*arguments: object) -> int:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "lseek", broken)
    with pytest.raises(DomainError, match="Input/output error"):
        frames.read(np.arange(100))
    frames.close()


def test_scrubbing(tmp_path: Path) -> None:
    """Scrubbing makes every frame zero and gives back the room."""
    create_frames(tmp_path)
    frames = Frames(tmp_path, writable=True)
    frames.write(np.array([5]), words(1))
    frames.scrub()
    assert not frames.words[5].any()
    assert (tmp_path / NAME).stat().st_blocks == 0
    frames.close()


def test_files_that_are_no_frames(tmp_path: Path) -> None:
    """A file of another size, a link and no file at all are refused; so is a second file in one place."""
    with pytest.raises(DomainError, match="No such file"):
        Frames(tmp_path, writable=True)
    (tmp_path / NAME).write_bytes(b"short")
    with pytest.raises(DomainError, match="wrong size; expected 0x100000000, got 0x5"):
        Frames(tmp_path, writable=True)
    with pytest.raises(DomainError, match="File exists"):
        create_frames(tmp_path)
    (tmp_path / "machine").mkdir()
    (tmp_path / "machine" / NAME).symlink_to(tmp_path / NAME)
    with pytest.raises(DomainError, match="symbolic links"):
        Frames(tmp_path / "machine", writable=True)


def test_a_disk_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is told, both where a page is written and where the file is cut; it does not kill the process."""
    create_frames(tmp_path)
    frames = Frames(tmp_path, writable=True)

    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(DomainError, match="No space left"):
        frames.write(np.array([5]), words(1))
    monkeypatch.setattr(os, "ftruncate", full)
    with pytest.raises(DomainError, match="No space left"):
        frames.scrub()
    frames.close()


def test_short_writes_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that the system cuts short goes on where it stopped."""
    create_frames(tmp_path)
    frames = Frames(tmp_path, writable=True)
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, view, offset: whole(descriptor, view[:1000], offset))
    frames.write(np.array([7, 8]), words(2))
    assert np.array_equal(frames.read(np.array([7, 8])), words(2))
    frames.close()
