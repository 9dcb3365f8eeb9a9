"""Tests of domctx.records: what handlers write to and read from."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

from domctx.api import Instances, RecordType
from domctx.errors import DomctxError, PluginError, RecordError, StreamError, UnsupportedError
from domctx.records import Ledger, StreamRun, TypeWriter, decode_body
from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.stream import StreamReader, StreamWriter
from domctx.testing.streams import RawRecord, join, split
from domctx.wire import OPTIONAL, pack_header
from helpers.toy_images import toy
from helpers.toys import DIAL_CODE, LAMPS_CODE, NOTES_CODE, DialBody

DIAL = toy(DIAL_CODE)
NOTES = toy(NOTES_CODE, max_body=12)
LAMPS = toy(LAMPS_CODE, max_body=8)


def refused(kind: type[DomctxError], call: Any, *arguments: Any, **named: Any) -> str:
    """What the error that a call ends with says."""
    with pytest.raises(kind) as caught:
        call(*arguments, **named)
    return str(caught.value)


class Written:
    """A writer of one type, and what it wrote."""

    def __init__(self, kind: RecordType) -> None:
        self.sink = BytesSink()
        self.writer = TypeWriter(StreamWriter(self.sink), kind)

    @property
    def records(self) -> list[RawRecord]:
        """Record by record."""
        return split(bytes(self.sink.octets))


def test_every_way_to_write_a_record() -> None:
    """In one, in parts, as an object, in calls, as an array."""
    notes = Written(NOTES)
    notes.writer.write(b"a", b"bc")
    notes.writer.begin(1)
    notes.writer.data(b"de")
    notes.writer.data(b"f")
    notes.writer.end()
    notes.writer.begin(2, 3)
    assert notes.writer.offset == len(notes.sink.octets)
    notes.writer.data(b"ghi")
    notes.writer.end()
    notes.writer.write_batch(np.array([3, 4], np.uint32), np.array([[1, 2], [3, 4]], np.uint8))
    notes.writer.finish()
    bodies = [b"abc", b"def", b"ghi", b"\1\2", b"\3\4"]
    assert notes.records == [RawRecord(NOTES_CODE, number, body) for number, body in enumerate(bodies)]
    dial = Written(DIAL)
    dial.writer.write_object(DialBody(7, 8))
    assert dial.records == [RawRecord(DIAL_CODE, 0, b"\7\0\0\0\x08\0")]


def test_bit_31_comes_with_the_type_or_with_the_record() -> None:
    """Also in a batch."""
    optional = Written(toy(LAMPS_CODE, optional=True))
    optional.writer.write(b"x", instance=1)
    optional.writer.write_batch(np.array([2], np.uint32), np.zeros((1, 1), np.uint8))
    single = Written(LAMPS)
    single.writer.write(b"x", instance=1, optional=True)
    single.writer.begin(2, optional=True)
    single.writer.end()
    for written in (optional, single):
        assert {record.type for record in written.records} == {LAMPS_CODE | OPTIONAL}


def test_a_writer_keeps_the_rules_of_its_type() -> None:
    """Instances, largest body, and that each record is ended."""
    writer = Written(NOTES).writer
    text = refused(PluginError, writer.write, b"", instance=3)
    assert text == "in NOTES[3]: instances run from 0 without a gap, expected 0"
    text = refused(PluginError, writer.begin, 0, 13)
    assert text == "in NOTES[0]: the body of 13 octets is over the type's largest, 12"
    writer.begin(1)
    writer.data(b"12 octets...")
    assert "NOTES[1]: the body of 13 octets is over the type's largest, 12" in refused(PluginError, writer.data, b".")
    unfinished = Written(NOTES).writer
    unfinished.begin(0)
    assert refused(PluginError, unfinished.finish) == "in NOTES[0]: the save handler did not end the record"
    outside = Written(NOTES).writer
    assert "outside a record" in refused(PluginError, outside.data, b"x")


@pytest.mark.parametrize(
    ("instances", "bodies", "message"),
    [
        (np.array([5, 5], np.uint32), np.zeros((2, 8), np.uint8), "LAMPS[5]: this instance stands in the image twice"),
        (np.array([5], np.uint32), np.zeros((1, 9), np.uint8), "the body of 9 octets is over the type's largest, 8"),
        (np.array([5], np.uint32), np.zeros((2, 8), np.uint8), "a batch of instances (1,), bodies (2, 8) uint8"),
        (np.array([5], np.uint32), np.zeros((1, 8), np.uint16), "a batch of instances (1,), bodies (1, 8) uint16"),
        (np.array([5], np.uint32), np.zeros(1, np.uint8), "a batch of instances (1,), bodies (1,) uint8"),
        (np.array([5, 1 << 32]), np.zeros((2, 8), np.uint8), "a batch of instances that are no u32, but int64"),
        (np.array([-1]), np.zeros((1, 8), np.uint8), "a batch of instances that are no u32, but int64"),
        (np.array([5.0]), np.zeros((1, 8), np.uint8), "a batch of instances that are no u32, but float64"),
    ],
)
def test_batches_keep_them_too(instances: Any, bodies: Any, message: str) -> None:
    """And the arrays must go together: numpy would stretch them."""
    assert message in refused(PluginError, Written(LAMPS).writer.write_batch, instances, bodies)


def run_of(kind: RecordType, *records: RawRecord, version: int | None = None) -> StreamRun:
    """A run of these records, with an END behind it."""
    source = BytesSource(join(records) + bytes(16))
    reader = StreamReader(source, names={kind.code: kind.name})
    return StreamRun(reader, kind, Ledger(kind), kind.version if version is None else version)


def notes(*bodies: bytes) -> list[RawRecord]:
    """Records of NOTES."""
    return [RawRecord(NOTES_CODE, number, body) for number, body in enumerate(bodies)]


def test_a_run_gives_record_after_record() -> None:
    """Until another type comes; what each is, and how much of it is left, can be asked."""
    sizes: list[int] = []
    source = BytesSource(join([*notes(b"abc", b"123456789"), RawRecord(NOTES_CODE | OPTIONAL, 2, b"")]) + bytes(16))
    run = StreamRun(StreamReader(source), NOTES, Ledger(NOTES), 4, sizes.append)
    seen = []
    for record in run:
        seen.append((record.type, record.optional, record.instance, record.length, record.offset, record.version))
        assert record.remaining == record.length
        body = bytes(record.read(record.length // 2)) + bytes(record.rest())
        assert body == (b"abc", b"123456789", b"")[record.instance]
        assert record.remaining == 0
    run.finish()
    assert seen == [
        (NOTES_CODE, False, 0, 3, 0, 4),
        (NOTES_CODE, False, 1, 9, 24, 4),
        (NOTES_CODE, True, 2, 0, 56, 4),
    ]
    assert sizes == [24, 32, 16]


def test_a_record_names_itself() -> None:
    """In the errors that a handler raises, and where its body cannot be decoded."""
    for record in run_of(DIAL, RawRecord(DIAL_CODE, 0, b"\1\0\0\0\2")):
        assert str(record.error("odd", got=5)) == f"at 0x{0:016x} in DIAL[0]: odd; got 5"
        with pytest.raises(RecordError) as caught:
            record.decode()
        assert (caught.value.offset, caught.value.record) == (0, "DIAL[0]")
        break


def test_what_is_not_read_is_refused_unless_ignored() -> None:
    """Ignoring skips exactly to the next record."""
    run = run_of(NOTES, *notes(b"abc", b"def"))
    bodies = []
    for record in run:
        if record.instance == 0:
            record.ignore_data()
        else:
            bodies.append(bytes(record.rest()))
    assert bodies == [b"def"]
    text = refused(RecordError, list, run_of(NOTES, *notes(b"abc")))
    assert text.endswith("NOTES[0]: the body is longer than its contents; expected 0 octets, got 3")


@pytest.mark.parametrize("road", [iter, StreamRun.batches])
def test_a_run_keeps_the_rules_of_its_type(road: Any) -> None:
    """On both roads: instances, and the largest body, before it is read; at the place of the record."""
    twice = run_of(LAMPS, RawRecord(LAMPS_CODE, 5, b"x"), RawRecord(LAMPS_CODE, 5, b"x"))
    records = road(twice)

    def read() -> None:
        for record in records:
            if road is iter:
                record.ignore_data()

    assert refused(StreamError, read) == f"at 0x{24:016x} in LAMPS[5]: this instance stands in the image twice"
    large = run_of(LAMPS, RawRecord(LAMPS_CODE, 5, b"nine....."))
    text = refused(StreamError, list, road(large))
    assert text.startswith(f"at 0x{0:016x} in LAMPS[5]: the body is over the type's largest; expected at most 0x0000")


def test_lengths_are_only_claimed() -> None:
    """2^63 octets are refused, not asked for."""
    source = BytesSource(pack_header(LAMPS_CODE, 0, 1 << 63))
    run = StreamRun(StreamReader(source), LAMPS, Ledger(LAMPS), 1)
    assert "got 0x8000000000000000" in refused(StreamError, list, run)


def test_batches_give_arrays() -> None:
    """Records of one length come together; each length by itself."""
    records = [RawRecord(LAMPS_CODE, 9, b"ab"), RawRecord(LAMPS_CODE, 1, b"cd"), RawRecord(LAMPS_CODE, 2, b"efg")]
    sizes: list[int] = []
    reader = StreamReader(BytesSource(join(records)))
    run = StreamRun(reader, LAMPS, Ledger(LAMPS), 1, sizes.append)
    got = [(numbers.tolist(), [bytes(body) for body in bodies]) for numbers, bodies in run.batches()]
    assert got == [([9, 1], [b"ab", b"cd"]), ([2], [b"efg"])]
    assert sizes == [48, 24]
    run.finish()


def test_a_handler_that_leaves_its_run_is_named() -> None:
    """Before a record, or within one; and one record at a time."""
    early = run_of(NOTES, *notes(b"abc"))
    text = refused(PluginError, early.finish)
    assert text.endswith("NOTES[0]: the load handler does not leave the stream at the end of its run")
    within = run_of(NOTES, *notes(b"abc"))
    record = next(iter(within))
    record.rest()
    assert "the load handler does not leave the stream" in refused(PluginError, within.finish)
    text = refused(PluginError, next, iter(within))
    assert text == "in NOTES[0]: the run is asked for a record within another"


def test_bodies_of_other_versions_are_converted() -> None:
    """Old ones up; of newer ones the known part counts; what nothing converts is refused with its place."""
    old = next(iter(run_of(DIAL, RawRecord(DIAL_CODE, 0, b"\4\0\0\0"), version=1)))
    assert old.decode() == DialBody(40, 10)
    newer = next(iter(run_of(DIAL, RawRecord(DIAL_CODE, 0, b"\4\0\0\0\5\0more"), version=4)))
    assert newer.decode() == DialBody(4, 5)
    gap = toy(DIAL_CODE, version=4, upgrades={3: bytes})
    record = next(iter(run_of(gap, RawRecord(DIAL_CODE, 0, b"\4\0\0\0"), version=1)))
    assert "in DIAL[0]: nothing converts a body of version 1" in refused(UnsupportedError, record.decode)


def test_a_type_without_a_body_class_cannot_decode() -> None:
    """Its plugin's bug."""
    text = refused(PluginError, decode_body, NOTES, memoryview(b""), 1)
    assert text == "NOTES declares no body class to decode with"


def test_instances_are_a_type_s_own() -> None:
    """A keyed type may have any u32."""
    written = Written(toy(NOTES_CODE, instances=Instances.KEYED))
    written.writer.write(b"", instance=0xFFFF_FFFF)
    assert written.records[0].instance == 0xFFFF_FFFF


def test_a_handler_does_not_swallow_what_it_was_refused() -> None:
    """A writer that refused, or whose sink did, is not finished; nor is a run that refused a batch."""
    writer = Written(NOTES).writer
    with contextlib.suppress(PluginError):
        writer.begin(0, 13)
    with contextlib.suppress(PluginError):
        writer.data(b"lost")
    assert refused(PluginError, writer.finish) == "in NOTES[0]: the body of 13 octets is over the type's largest, 12"
    run = run_of(LAMPS, RawRecord(LAMPS_CODE, 1, b"ab"), RawRecord(LAMPS_CODE, 1, b"cd"))
    batches = run.batches()
    twice = refused(StreamError, next, batches)
    assert twice.startswith("at 0x0000000000000018 in LAMPS[1]: this instance stands in the image twice")
    assert list(batches) == []
    assert refused(StreamError, run.finish) == twice
