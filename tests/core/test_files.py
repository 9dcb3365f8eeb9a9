"""Tests of domctx.files: files that are read at random, and spools."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domctx import files
from domctx.errors import DomainError, StreamError, UsageError
from domctx.files import RandomFile, in_file, open_at_random, open_spool


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


def test_a_disk_that_refuses_is_told(plain: RandomFile) -> None:
    """An error of the system becomes a DomainError with the file's name."""
    plain.close()
    with pytest.raises(DomainError, match="file: Bad file descriptor"):
        plain.read(0, 1)
    with pytest.raises(DomainError, match="file: Bad file descriptor"):
        plain.fill(0, memoryview(bytearray(1)))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A missing file is a DomainError; a folder is called so, and a pipe cannot be read at random."""
    with pytest.raises(DomainError, match="No such file"):
        open_at_random(str(tmp_path / "nothing"), "toy")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=r"(?s)no file that can be read at random.*name it toy:-"):
        open_at_random(str(tmp_path / "pipe"), "toy")
    with pytest.raises(UsageError, match="is a folder\n  name a file in it"):
        open_at_random(str(tmp_path), "toy")


def test_a_spool_has_no_name(tmp_path: Path) -> None:
    """A spool lies beside the file, and no folder lists it."""
    descriptor = open_spool(str(tmp_path / "file"))
    assert list(tmp_path.iterdir()) == []
    os.write(descriptor, b"x")
    os.close(descriptor)


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
