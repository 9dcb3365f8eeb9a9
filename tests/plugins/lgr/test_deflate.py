"""The gzip sink."""

from __future__ import annotations

import gzip
import os

import numpy as np
import pytest

from domctx.api import Buffer
from domctx.errors import DomainError
from domctx.sinks import BytesSink
from domctx_lgr.deflate import GzipSink

DATA = os.urandom(2_500_000) + bytes(5 << 20) + bytes(range(256)) * 9000


def zipped(step: int) -> bytes:
    """DATA compressed in steps."""
    sink = BytesSink()
    out = GzipSink(sink)
    for start in range(0, len(DATA), step):
        out.write(DATA[start : start + step])
    out.close()
    return bytes(sink.octets)


@pytest.mark.parametrize("step", [1000, 1 << 20, len(DATA)])
def test_gzip_reads_what_was_written(step: int) -> None:
    """The result is one member, without name and time, that inflates to what was written."""
    octets = zipped(step)
    assert gzip.decompress(octets) == DATA
    assert octets[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
    assert int.from_bytes(octets[-4:], "little") == len(DATA)
    assert len(octets) < len(DATA) // 2


def test_equal_writes_give_equal_files() -> None:
    """Nothing but the octets shows in a file."""
    assert zipped(4 << 20) == zipped(4 << 20)


def test_what_is_written_has_any_shape() -> None:
    """Arrays of several dimensions are compressed as the octets that they are; nothing is nothing."""
    sink = BytesSink()
    out = GzipSink(sink)
    out.write(np.arange(12, dtype="<u2").reshape(3, 4).data)
    out.write(b"")
    out.close()
    assert gzip.decompress(sink.octets) == np.arange(12, dtype="<u2").tobytes()


class FullSink:
    """A disk that is full."""

    def write(self, data: Buffer) -> None:
        """Refuse."""
        if memoryview(data).nbytes > 10:
            raise DomainError("No space left on device")

    def close(self) -> None:
        """Nothing to close."""


def test_errors_of_the_sink_come_out() -> None:
    """What the disk refuses is raised where it is written."""
    out = GzipSink(FullSink())
    with pytest.raises(DomainError, match="No space left"):
        out.write(DATA)
