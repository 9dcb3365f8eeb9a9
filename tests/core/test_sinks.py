"""Tests of domctx.sinks: small objects that compose."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from domctx import sinks
from domctx.errors import DomainError
from domctx.sinks import BytesSink, CountingSink, DigestSink, FileSink, HoleSink, ProgressSink


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    """A file that is written to."""
    number = os.open(tmp_path / "out", os.O_RDWR | os.O_CREAT)
    yield number
    os.close(number)


def contents(descriptor: int) -> bytes:
    """What stands in it."""
    return os.pread(descriptor, 1 << 24, 0)


@given(st.lists(st.integers(0, 9) | st.integers(0, 40)))
def test_every_cut_gives_the_same_octets(sizes: list[int]) -> None:
    """Small pieces are gathered, large ones go straight through, in order; no more is held back than is said."""
    octets = bytes(number % 251 for number in range(sum(sizes)))
    descriptor, done = os.memfd_create("out"), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sinks, "BUFFER", 16)
        sink = FileSink(descriptor, "out")
        for size in sizes:
            sink.write(octets[done : done + size])
            done += size
            assert done - 16 <= os.fstat(descriptor).st_size <= done
        sink.close()
    assert contents(descriptor) == octets
    os.close(descriptor)


@given(st.lists(st.tuples(st.sampled_from([0, 0, 1]), st.integers(0, 3), st.integers(0, 40)), max_size=6))
def test_zeros_become_holes(pieces: list[tuple[int, int, int]]) -> None:
    """Whatever is cut how, the file is what was written, as long as that."""
    descriptor, written = os.memfd_create("out"), b""
    sink = HoleSink(descriptor, "out")
    for octet, holes, more in pieces:
        data = bytes([octet]) * (holes * sinks.HOLE + more)
        sink.write(data)
        written += data
    sink.close()
    assert contents(descriptor) == written
    os.close(descriptor)


def test_holes_take_no_room(descriptor: int) -> None:
    """Between octets, and at the end."""
    sink = HoleSink(descriptor, "out")
    for data in (b"a" * sinks.HOLE, bytes(64 * sinks.HOLE), b"b" * 5, bytes(64 * sinks.HOLE)):
        sink.write(data)
    sink.close()
    found = os.fstat(descriptor)
    assert found.st_size == 129 * sinks.HOLE + 5
    assert found.st_blocks * 512 <= 4 * sinks.HOLE


def test_a_hole_that_the_disk_refuses_is_told() -> None:
    """As a write is: a pipe has no holes."""
    reading, writing = os.pipe()
    with pytest.raises(DomainError, match="out: Illegal seek"):
        HoleSink(writing, "out").write(bytes(2 * sinks.HOLE))
    os.close(reading)
    os.close(writing)


def test_short_writes_are_gone_on_with(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system call that takes only a part is called again for the rest."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda number, data: real(number, data[:3]))
    sink = FileSink(descriptor, "out")
    large = np.arange(sinks.BUFFER, dtype=np.uint16).reshape(4, -1)
    for data in (b"0123456789", large.data, b"ab"):
        sink.write(data)
    sink.close()
    assert contents(descriptor) == b"0123456789" + large.tobytes() + b"ab"


def test_arrays_of_any_shape_are_taken(descriptor: int) -> None:
    """Also those without an element, gathered or straight."""
    large = np.arange(sinks.BUFFER, dtype=np.uint32).reshape(2, -1)
    small = np.arange(6, dtype=np.uint16).reshape(2, 3)
    sink = FileSink(descriptor, "out")
    for array in (np.zeros((0, 4), np.uint8), small, small.data, large.data, large, np.zeros((3, 0), np.uint8)):
        sink.write(array)  # type: ignore[arg-type]  # one who does not check types gives arrays themselves
    sink.close()
    assert contents(descriptor) == small.tobytes() * 2 + large.tobytes() * 2


def test_a_full_disk_is_told() -> None:
    """Naming the file; nothing is tried a second time, and who goes on is told again."""
    number = os.open("/dev/full", os.O_WRONLY)
    sink = FileSink(number, "image.dctx")
    sink.write(b"x")
    with pytest.raises(DomainError, match=r"image.dctx: No space left on device\n  free some space") as caught:
        sink.close()
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    os.close(number)
    sink.write(b"y")
    with pytest.raises(DomainError, match="No space left on device"):
        sink.close()


def test_bytes_sink_gathers() -> None:
    """In memory."""
    sink = BytesSink()
    sink.write(b"ab")
    sink.write(np.array([[99], [100]], np.uint8).data)
    sink.write(np.array([[101], [102]], np.uint8))  # type: ignore[arg-type]  # as above
    sink.close()
    assert sink.octets == b"abcdef"


def test_counting_sink_counts_octets() -> None:
    """Not elements."""
    sink = CountingSink()
    sink.write(b"abc")
    sink.write(np.zeros((2, 5), np.uint32).data)
    sink.close()
    assert sink.count == 43


class Closing(BytesSink):
    """Tells that it was closed."""

    closed = False

    def close(self) -> None:
        """Note it."""
        self.closed = True


def test_digest_and_progress_pass_on() -> None:
    """What passes is hashed and reported, and closing reaches the innermost."""
    inner, told = Closing(), list[int]()
    sink = ProgressSink(DigestSink(inner, hashlib.sha256()), told.append)
    for piece in (b"one", b"", b"three"):
        sink.write(piece)
    sink.close()
    assert inner.octets == b"onethree"
    assert inner.closed
    assert told == [3, 0, 5]
    assert isinstance(sink.inner, DigestSink)
    assert sink.inner.hasher.digest() == hashlib.sha256(b"onethree").digest()  # type: ignore[attr-defined]  # hashlib's
