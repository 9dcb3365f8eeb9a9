"""Readers that forget, and writers that cut."""

from __future__ import annotations

import numpy as np

from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.stream import StreamWriter
from domctx.testing.readers import CuttingWriter, ForgetfulReader
from domctx.testing.streams import RawRecord, join

RECORDS = [RawRecord(9, instance, bytes([instance]) * 12) for instance in range(7)]


def test_forgetful_reader_wipes_what_it_gave() -> None:
    """What was read is right until the next octets are read, or the next record is begun; then it is wiped."""
    reader = ForgetfulReader(BytesSource(join(RECORDS)))
    reader.begin()
    first = reader.data(8)
    assert bytes(first) == bytes(8)
    second = reader.data(4)
    assert (bytes(first), bytes(second)) == (b"\xa5" * 8, bytes(4))
    reader.end()
    reader.begin()
    assert bytes(second) == b"\xa5" * 4


def test_forgetful_reader_wipes_batches() -> None:
    """Batches come in pieces of one to three records, each wiped at the next step."""
    reader = ForgetfulReader(BytesSource(join(RECORDS)))
    header = reader.peek()
    assert header is not None
    given, found = [], []
    for instances, bodies in reader.batches(header):
        given.append(bodies)
        found += [(int(instance), bytes(body)) for instance, body in zip(instances, bodies, strict=True)]
    assert found == [(record.instance, record.body) for record in RECORDS]
    assert [len(bodies) for bodies in given] == [1, 3, 2, 1]
    assert all(np.all(bodies == 0xA5) for bodies in given)


def test_cutting_writer_writes_the_same() -> None:
    """A record that is written in pieces is the same record."""
    whole, cut = BytesSink(), BytesSink()
    for stream in (StreamWriter(whole), CuttingWriter(cut)):
        stream.begin(9, 0, 21)
        stream.data(bytes(range(21)))
        stream.end()
    assert whole.octets == cut.octets
