"""Files on a disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domctx.errors import DomainError, StreamError, UsageError
from domctx_lgr import files
from domctx_lgr.files import PlainFile, in_file, open_plain, open_spool


@pytest.fixture
def plain(tmp_path: Path) -> PlainFile:
    """A file of ten octets."""
    (tmp_path / "file").write_bytes(b"0123456789")
    return open_plain(str(tmp_path / "file"))


def test_reads_are_exact_and_short_only_at_the_end(plain: PlainFile) -> None:
    """Octets come from where they are asked for; past the end there are none."""
    assert plain.read(2, 3) == b"234"
    assert plain.read(8, 5) == b"89"
    assert plain.read(20, 5) == b""
    view = bytearray(4)
    assert plain.fill(8, memoryview(view)) == 2
    assert plain.size() == 10
    plain.close()


def test_a_stream_goes_on_where_it_stopped(plain: PlainFile) -> None:
    """Reading in order gives one octet after the other."""
    stream, view = plain.stream(5), bytearray(3)
    assert stream.fill(memoryview(view)) == 3
    assert view == b"567"
    assert stream.fill(memoryview(view)) == 2
    assert stream.fill(memoryview(view)) == 0
    plain.close()


def test_a_disk_that_refuses_is_told(plain: PlainFile) -> None:
    """An error of the system becomes a DomainError with the file's name."""
    plain.close()
    with pytest.raises(DomainError, match="Bad file descriptor"):
        plain.read(0, 1)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A missing file is a DomainError; a folder or a pipe cannot be read at random."""
    with pytest.raises(DomainError, match="No such file"):
        open_plain(str(tmp_path / "nothing"))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(UsageError, match="no file that can be read at random"):
            open_plain(str(path))


def test_a_spool_has_no_name(tmp_path: Path) -> None:
    """A spool lies beside the file, and no folder lists it."""
    descriptor = open_spool(str(tmp_path / "file"))
    assert list(tmp_path.iterdir()) == []
    os.write(descriptor, b"x")
    os.close(descriptor)


def test_a_spool_goes_elsewhere_where_the_folder_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a writable folder beside the file the spool lies in the system's; without either it is refused."""
    os.close(open_spool("/proc/nothing/file"))

    def refuse(folder: str | None) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "_temporary", refuse)
    with pytest.raises(DomainError, match="Permission denied"):
        open_spool(str(tmp_path / "file"))


def test_errors_are_given_the_file_that_they_lack() -> None:
    """An error raised in the block names the file."""
    with pytest.raises(StreamError, match=r"^a\.lgr at 0x0000000000000007: cut"), in_file("a.lgr"):
        raise StreamError("cut", offset=7)
