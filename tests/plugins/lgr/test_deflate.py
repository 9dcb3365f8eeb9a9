"""The gzip sink."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Iterable, Iterator

import pytest

from domctx.api import Buffer, Sink
from domctx.errors import DomainError
from domctx.sinks import BytesSink
from domctx_lgr.deflate import GzipSink

DATA = os.urandom(2_500_000) + bytes(5 << 20) + bytes(range(256)) * 9000


def zipped(step: int) -> bytes:
    """DATA compressed in steps."""
    sink = BytesSink()
    with GzipSink(sink) as out:
        for start in range(0, len(DATA), step):
            out.write(DATA[start : start + step])
    return bytes(sink.octets)


@pytest.mark.parametrize("step", [1000, 1 << 20, len(DATA)])
def test_gzip_reads_what_was_written(step: int) -> None:
    """The result is one member, without name and time, that inflates to what was written."""
    octets = zipped(step)
    assert gzip.decompress(octets) == DATA
    assert octets[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
    assert int.from_bytes(octets[-4:], "little") == len(DATA)
    assert len(octets) < len(DATA) // 2


def test_equal_writes_give_equal_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of threads does not show."""
    first = zipped(4 << 20)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert zipped(4 << 20) == first


class FullSink:
    """A disk that is full."""

    def write(self, data: Buffer) -> None:
        """Refuse."""
        if memoryview(data).nbytes > 10:
            raise DomainError("No space left on device")

    def close(self) -> None:
        """Nothing to close."""


def write(sink: Sink, pieces: Iterable[bytes]) -> None:
    """Compress pieces into a sink."""
    with GzipSink(sink) as out:
        for piece in pieces:
            out.write(piece)


def failing() -> Iterator[bytes]:
    """A piece, and then an error."""
    yield DATA[:100_000]
    raise KeyError("mine")


def test_errors_of_the_sink_come_out_and_the_threads_end() -> None:
    """What the disk refuses is raised where it is written or closed, and no thread is left."""
    before = threading.active_count()
    for pieces in (1, 50):
        with pytest.raises(DomainError, match="No space left"):
            write(FullSink(), [DATA[:100_000]] * pieces)
    assert threading.active_count() == before


def test_errors_of_the_writer_end_the_threads() -> None:
    """An error within the block is the one that comes out."""
    before = threading.active_count()
    with pytest.raises(KeyError, match="mine"):
        write(FullSink(), failing())
    assert threading.active_count() == before
