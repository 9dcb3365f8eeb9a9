"""Tests of domctx.sources: small objects that compose."""

from __future__ import annotations

import hashlib
import os
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from domctx import sources
from domctx.errors import DomainError
from domctx.files import RandomFile
from domctx.sources import BytesSource, DigestSource, FileSource, ProgressSource, RangeSource

SIZES = st.lists(st.integers(0, 9) | st.integers(0, 50))
OCTETS = st.integers(0, 100).map(lambda size: bytes(range(size)))
"""Each tells its place."""


def random_file(path: Path, octets: bytes) -> RandomFile:
    """An opened file with these octets."""
    path.write_bytes(octets)
    return RandomFile(os.open(path, os.O_RDONLY), str(path))


@given(OCTETS, SIZES, st.integers(0, 20))
def test_reads_are_exact_up_to_the_end(octets: bytes, sizes: list[int], taken: int) -> None:
    """A pipe and memory give the same pieces, whatever is asked for, and whatever was taken to look at before."""
    reading, writing = os.pipe()
    os.write(writing, octets)
    os.close(writing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "CHUNK", 8)
        head = bytes(FileSource(reading, "pipe").read(taken))
        pipe, memory = FileSource(reading, "pipe", head), BytesSource(octets)
        position = 0
        for size in sizes:
            wanted = octets[position : position + size]
            position += len(wanted)
            assert pipe.read(size) == wanted
            assert memory.read(size) == wanted
    pipe.close()
    memory.close()
    os.close(reading)


def test_pieces_of_a_pipe_are_put_together() -> None:
    """A read waits for all that was asked for."""
    reading, writing = os.pipe()

    def feed() -> None:
        for _ in range(10):
            os.write(writing, b"0123456789")
        os.close(writing)

    thread = threading.Thread(target=feed)
    thread.start()
    source = FileSource(reading, "pipe")
    assert source.read(95) == (b"0123456789" * 10)[:95]
    assert source.read(95) == b"56789"
    assert source.read(1) == b""
    thread.join()
    os.close(reading)


def test_memory_grows_with_what_comes() -> None:
    """A length that is only claimed costs nothing."""
    reading, writing = os.pipe()
    os.write(writing, b"little")
    os.close(writing)
    tracemalloc.start()
    assert FileSource(reading, "pipe").read(1 << 62) == b"little"
    assert tracemalloc.get_traced_memory()[1] < 4 * sources.CHUNK
    tracemalloc.stop()
    os.close(reading)


def test_a_source_that_cannot_be_read_is_told_by_name(tmp_path: Path) -> None:
    """In order and at random."""
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(DomainError, match="it: Is a directory"):
        FileSource(folder, "it").read(1)
    with pytest.raises(DomainError, match="it: Is a directory"):
        RandomFile(folder, "it").read(0, 1)
    os.close(folder)


def test_views_of_memory() -> None:
    """Any buffer will do; reading gives views of octets."""
    array = np.arange(4, dtype=np.uint16)
    source = BytesSource(array.data, "array")
    assert source.name == "array"
    assert isinstance(source.read(2), memoryview)
    assert source.read(99) == array.tobytes()[2:]


class Closing(BytesSource):
    """Tells that it was closed."""

    closed = False

    def close(self) -> None:
        """Note it."""
        self.closed = True


def test_digest_and_progress_pass_on() -> None:
    """What is read is hashed and reported, and closing reaches the innermost."""
    inner, told, hasher = Closing(b"onethree", "it"), list[int](), hashlib.sha256()
    source = ProgressSource(DigestSource(inner, hasher), told.append)
    assert source.name == "it"
    assert [bytes(source.read(3)), bytes(source.read(9))] == [b"one", b"three"]
    source.close()
    assert inner.closed
    assert told == [3, 5]
    assert hasher.digest() == hashlib.sha256(b"onethree").digest()


@given(OCTETS, st.integers(0, 20), st.integers(0, 120), SIZES)
def test_a_range_is_read_in_order(octets: bytes, offset: int, length: int, sizes: list[int]) -> None:
    """As the stretch of the file by itself; never past its end."""
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"domctx-test-{os.getpid()}"
    file = random_file(path, octets)
    path.unlink()
    source, twin = RangeSource(file, offset, length), BytesSource(octets[offset : offset + length])
    assert source.name == file.name
    for size in sizes:
        assert source.read(size) == bytes(twin.read(size))
    source.close()
    file.close()


def test_random_reads_end_with_the_file(tmp_path: Path) -> None:
    """Whatever is asked for; one that has shrunk gives less than its size says."""
    file = random_file(tmp_path / "f", b"0123456789")
    assert file.size == 10
    assert file.read(2, 3) == b"234"
    assert file.read(8, 99) == b"89"
    assert file.read(99, 1) == b""
    os.truncate(tmp_path / "f", 4)
    assert file.read(2, 3) == b"23"
    assert file.read(6, 3) == b""
    file.close()


def test_short_random_reads_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system call that gives only a part is called again for the rest."""
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda number, size, offset: real(number, min(size, 3), offset))
    file = random_file(tmp_path / "f", b"0123456789")
    assert file.read(1, 8) == b"12345678"
    file.close()
