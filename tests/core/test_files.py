"""Tests of domctx.files: files that are read at random, and spools."""

from __future__ import annotations

import os
import stat
from array import array
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from domctx import files
from domctx.errors import DomainError, StreamError, UsageError
from domctx.files import CutError, RandomFile, StreamFile, in_file, open_at_random, open_spool, put


@pytest.fixture
def plain(tmp_path: Path) -> RandomFile:
    """A file of ten octets."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    return RandomFile(open_at_random(str(path), "toy"), str(path))


def test_reads_are_exact_and_short_only_at_the_end(plain: RandomFile) -> None:
    """Octets come from where they are asked for; past the end there are none."""
    assert plain.read(2, 3) == b"234"
    assert plain.read(8, 5) == b"89"
    assert plain.read(20, 5) == b""
    view = bytearray(4)
    assert plain.fill(8, memoryview(view)) == 2
    assert (plain.fill(3, memoryview(view)), bytes(view)) == (4, b"3456")
    assert plain.size == 10
    plain.close()


def test_what_is_asked_for_is_not_taken_at_its_word(plain: RandomFile) -> None:
    """No more than the file has is read, and nothing that it grew by since it was opened."""
    assert plain.read(2, 1 << 62) == b"23456789"
    with open(plain.name, "ab") as file:
        file.write(b"more")
    assert plain.read(8, 5) == b"89"
    plain.close()


READS = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 60)), max_size=12)


@pytest.mark.parametrize("kind", [RandomFile, StreamFile])
@given(READS, st.integers(1, 120))
def test_every_read_gives_what_the_file_has(kind: type[RandomFile], reads: list[tuple[int, int]], at_once: int) -> None:
    """Forward and back, near or far, however few octets the system gives at once."""
    octets, whole = bytes(range(100)), os.pread
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "SMALL", 30)
        patch.setattr(files, "NEAR", 40)
        patch.setattr(os, "pread", lambda descriptor, size, offset: whole(descriptor, min(size, at_once), offset))
        descriptor = os.memfd_create("file")
        os.write(descriptor, octets)
        file = kind(descriptor, "file")
        for offset, size in reads:
            assert file.read(offset, size) == octets[offset : offset + size]
        file.close()


def test_a_disk_that_refuses_is_told(plain: RandomFile) -> None:
    """An error of the system becomes a DomainError with the file's name."""
    plain.close()
    with pytest.raises(DomainError, match="file: Bad file descriptor"):
        plain.read(0, 1)
    with pytest.raises(DomainError, match="file: Bad file descriptor"):
        plain.fill(0, memoryview(bytearray(1)))


def test_a_file_is_closed_once(plain: RandomFile, tmp_path: Path) -> None:
    """What is closed reads nothing and closes nothing any more, though its number is another file's by now."""
    number = plain.descriptor
    plain.close()
    (tmp_path / "other").write_bytes(b"secret")
    other = os.open(tmp_path / "other", os.O_RDONLY)
    assert other == number
    with pytest.raises(DomainError, match="file: Bad file descriptor"):
        plain.read(0, 1)
    plain.close()
    assert os.read(other, 6) == b"secret"
    os.close(other)


@pytest.fixture
def stream(tmp_path: Path) -> StreamFile:
    """A stream of 32 KiB in which every word of two octets tells its place."""
    path = tmp_path / "stream"
    path.write_bytes(np.arange(1 << 14, dtype="<u2").tobytes())
    return StreamFile(open_at_random(str(path), "toy"), str(path))


def test_reads_of_a_stream_are_exact(stream: StreamFile) -> None:
    """Large and small reads, forward and back, within and beyond what stands near, give what the file has."""
    expected = np.arange(1 << 14, dtype="<u2").tobytes()
    for offset, size in ((0, 4), (2, 4), (1 << 14, 8), (4, 4), ((1 << 14) - 2, 8), (8, 1 << 14), ((1 << 15) - 2, 8)):
        assert stream.read(offset, size) == expected[offset : offset + size]
    assert stream.take(6, 2, "a word") == expected[6:8]


def test_small_reads_of_a_stream_come_from_one_of_the_file(stream: StreamFile) -> None:
    """What follows a small read is read with it."""
    assert stream.read(0, 2) == b"\0\0"
    stream.close()
    assert stream.read(2, 2) == b"\1\0"
    with pytest.raises(DomainError, match="Bad file descriptor"):
        stream.read(2, 2048)


def test_a_stream_that_is_cut_is_told(stream: StreamFile) -> None:
    """The offset at which it ends is told, and what was being read."""
    with pytest.raises(CutError, match="ends early, in a word") as caught:
        stream.take((1 << 15) - 2, 4, "a word")
    assert caught.value.offset == 1 << 15
    with pytest.raises(CutError, match="at 0x0000000000008000: the file ends early, in its pages"):
        stream.rows((1 << 15) - 4, np.empty((2, 4), np.uint8))


def test_rows_of_a_stream(stream: StreamFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are filled, also where the system gives less at once than was asked for; what it refuses is told."""
    goal = np.zeros((2, 4), np.uint8)
    stream.rows(2, goal)
    assert goal.tolist() == [[1, 0, 2, 0], [3, 0, 4, 0]]
    whole = os.preadv
    monkeypatch.setattr(
        os, "preadv", lambda descriptor, views, at: whole(descriptor, [memoryview(views[0]).cast("B")[:3]], at)
    )
    stream.rows(4, goal)
    assert goal.tolist() == [[2, 0, 3, 0], [4, 0, 5, 0]]
    stream.close()
    with pytest.raises(DomainError, match="stream: Bad file descriptor"):
        stream.rows(0, goal)


@pytest.mark.parametrize("at_once", [1, 3, 1 << 20])
def test_all_is_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """All octets of anything with a buffer are written at their offset, however few the system takes at once."""
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, view, offset: whole(descriptor, view[:at_once], offset))
    with (tmp_path / "file").open("w+b") as file:
        put(file.fileno(), 2, b"abcd", "file")
        put(file.fileno(), 6, np.array([[1, 2], [3, 4]], "<u2").data, "file")
        put(file.fileno(), 14, memoryview(array("H", [5])), "file")
        assert file.read() == b"\0\0abcd" + bytes([1, 0, 2, 0, 3, 0, 4, 0, 5, 0])


def test_nothing_is_put_without_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """No octets, in whatever shape, are written nowhere."""
    monkeypatch.setattr(os, "pwrite", None)
    for nothing in (b"", bytearray(), np.empty((0, 4096), np.uint8).data, np.empty((3, 0), "<u4").data):
        put(-1, 0, nothing, "file")


def test_what_the_disk_refuses_is_told_of_the_file() -> None:
    """An error of the system becomes a DomainError with the name that was given."""
    with pytest.raises(DomainError, match="file: Bad file descriptor"):
        put(-1, 0, b"x", "file")


def test_what_takes_nothing_is_not_written_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused, with the place that nothing was written to."""
    monkeypatch.setattr(os, "pwrite", lambda descriptor, view, offset: 3 if offset == 5 else 0)
    with pytest.raises(DomainError, match=r"file at 0x0*8: nothing can be written there any more"):
        put(-1, 5, b"abcd", "file")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A missing file is a DomainError; a folder is called so, and a pipe cannot be read at random."""
    with pytest.raises(DomainError, match="No such file"):
        open_at_random(str(tmp_path / "nothing"), "toy")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=r"(?s)no file that can be read at random.*name it toy:-"):
        open_at_random(str(tmp_path / "pipe"), "toy")
    with pytest.raises(UsageError, match="is a folder\n  name a file in it"):
        open_at_random(str(tmp_path), "toy")


def test_what_is_refused_is_closed(tmp_path: Path) -> None:
    """A descriptor that is no file's as well as one that was opened here."""
    os.mkfifo(tmp_path / "pipe")
    before = os.listdir("/proc/self/fd")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(UsageError):
            open_at_random(str(path), "toy")
    with pytest.raises(DomainError, match="pipe: Illegal seek"):
        RandomFile(os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK), "pipe")
    assert os.listdir("/proc/self/fd") == before


def test_a_block_device_is_read_at_random(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a file is: a volume may hold a stream."""
    (tmp_path / "volume").write_bytes(b"octets")
    monkeypatch.setattr(os, "fstat", lambda descriptor: os.stat_result((stat.S_IFBLK | 0o600, *[0] * 9)))
    file = RandomFile(open_at_random(str(tmp_path / "volume"), "toy"), "volume")
    assert file.read(0, 6) == b"octets"
    file.close()


def test_a_spool_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool lies beside the file, where there is room for it, and no folder lists it."""
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    for beside, folder in ((str(tmp_path / "folder" / "file"), tmp_path / "folder"), ("file", tmp_path)):
        descriptor = open_spool(beside)
        assert Path(os.readlink(f"/proc/self/fd/{descriptor}")).parent == folder
        os.write(descriptor, b"x")
        os.close(descriptor)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_a_spool_goes_elsewhere_where_the_folder_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a writable folder beside the file the spool lies in the system's; without either it is refused."""
    os.close(open_spool("/proc/nothing/file"))
    os.close(open_spool())

    def refuse(folder: str | None) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "_temporary", refuse)
    with pytest.raises(DomainError, match="Permission denied"):
        open_spool(str(tmp_path / "file"))


def test_errors_are_given_the_file_that_they_lack() -> None:
    """An error raised in the block names the file."""
    with pytest.raises(StreamError, match=r"^a\.toy at 0x0000000000000007: cut"), in_file("a.toy"):
        raise StreamError("cut", offset=7)
