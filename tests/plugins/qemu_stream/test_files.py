"""Files and spools."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from domctx.errors import DomainError, StreamError
from domctx.files import CutError
from domctx_qemu_stream.cursor import Cursor
from domctx_qemu_stream.files import Spool, StreamFile, open_file


@pytest.fixture
def file(tmp_path: Path) -> StreamFile:
    """A file of a hundred octets."""
    (tmp_path / "file").write_bytes(bytes(range(100)))
    return open_file(str(tmp_path / "file"))


def test_reads_are_short_only_at_the_end(file: StreamFile) -> None:
    """Octets come from where they are asked for, near ones and far ones; past the end there are none."""
    assert file.read(2, 3) == b"\2\3\4"
    assert file.read(98, 10) == b"\x62\x63"
    assert file.read(200, 5) == b""
    assert file.read(0, 5000) == bytes(range(100))
    with pytest.raises(CutError, match="ends early, in it"):
        file.take(99, 2, "it")
    with pytest.raises(CutError, match="in its pages"):
        file.rows(0, np.empty((1, 101), np.uint8))


def test_one_page(tmp_path: Path) -> None:
    """A page is whole, or the file is cut; a disk that refuses is told."""
    octets = bytes(range(256)) * 32
    (tmp_path / "pages").write_bytes(octets)
    file = open_file(str(tmp_path / "pages"))
    assert file.page(17) == octets[17 : 17 + 4096]
    with pytest.raises(CutError, match="ends early, in its pages"):
        file.page(4097)
    file.close()
    with pytest.raises(DomainError, match="Bad file descriptor"):
        file.page(0)


def test_a_cursor_reads_exactly(file: StreamFile) -> None:
    """Numbers, strings and stretches that are passed over; a number that must be one is checked."""
    cursor = Cursor(file, 2)
    assert (cursor.number(2, "x"), cursor.text("x"), cursor.peek()) == (0x0203, "\5\6\7\x08", 9)
    cursor.skip(91, "x")
    assert cursor.peek() is None
    with pytest.raises(CutError):
        cursor.skip(1, "x")
    with pytest.raises(StreamError, match="a mark is wrong; expected 0x05, got 0x04"):
        Cursor(file, 4).expect(5, 1, "a mark")


def test_a_disk_that_refuses_is_told(file: StreamFile) -> None:
    """An error of the system names the file."""
    os.close(file.descriptor)
    with pytest.raises(DomainError, match="Bad file descriptor"):
        file.read(0, 1)


def test_a_spool_keeps_what_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Octets come back from where they were put; a spool nobody wrote to needs no file; a full disk is told."""
    spool = Spool(str(tmp_path / "file"))
    spool.rows(0, np.empty((0, 4), np.uint8))
    assert (spool.append(b"abcd"), spool.append(b"efgh")) == (0, 4)
    goal = np.empty((1, 4), np.uint8)
    spool.rows(4, goal)
    assert goal.tobytes() == b"efgh"
    assert list(tmp_path.iterdir()) == []

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(DomainError, match="No space left"):
        spool.append(b"x")
    spool.close()
    Spool("x").close()
