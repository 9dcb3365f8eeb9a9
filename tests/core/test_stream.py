"""Tests of domctx.stream: begin, data and end on both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from domctx import spool, stream
from domctx.errors import DomctxError, PluginError, RecordError, StreamError
from domctx.groups import GroupDigests
from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.stream import StreamReader, StreamWriter, octets_of
from domctx.wire import pack_header, padding, record_size

TYPE = 0x10200
BODIES = st.lists(st.tuples(st.binary(max_size=40), st.booleans(), st.lists(st.integers(1, 9), max_size=5)), max_size=5)
"""Bodies, whether their length is known, and how the calls of data are cut."""


def plain(*bodies: bytes, type_: int = TYPE) -> bytes:
    """The octets that records with these bodies are."""
    records = [pack_header(type_, number, len(body)) + body + padding(len(body)) for number, body in enumerate(bodies)]
    return b"".join(records)


def write(bodies: list[tuple[bytes, bool, list[int]]], observer: Any = None) -> bytes:
    """The same, by the writer."""
    sink = BytesSink()
    writer = StreamWriter(sink, observer)
    for number, (body, known, cuts) in enumerate(bodies):
        writer.begin(TYPE, number, len(body) if known else None)
        position = 0
        for cut in cuts:
            writer.data(body[position : position + cut])
            position += cut
        writer.data(memoryview(body)[position:])
        writer.end()
        assert writer.offset == len(sink.octets)
    return bytes(sink.octets)


@given(BODIES, st.sampled_from([4, 1 << 20]))
def test_neither_cuts_nor_a_known_length_show(bodies: list[tuple[bytes, bool, list[int]]], limit: int) -> None:
    """Nor whether a body was spooled: header, body and padding are the same octets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "BUFFER_LIMIT", limit)
        gathered, twin = GroupDigests(), GroupDigests()
        assert write(bodies, gathered) == plain(*(body for body, _, _ in bodies))
        write([(body, True, []) for body, _, _ in bodies], twin)
        assert gathered.finish() == twin.finish()


@given(
    st.lists(st.binary(max_size=40), max_size=5),
    st.lists(st.integers(1, 9), max_size=5),
    st.sampled_from([16, 64]),
    st.sampled_from([0, 8, 1 << 16]),
)
def test_records_are_read_as_written(bodies: list[bytes], cuts: list[int], window: int, small: int) -> None:
    """However the reads are cut, and however little is looked ahead; the digests are those of the writer."""
    octets = write([(body, True, []) for body in bodies], wrote := GroupDigests())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "WINDOW", window)
        patch.setattr(stream, "SMALL", small)
        reader = StreamReader(BytesSource(octets), read := GroupDigests())
        for number, body in enumerate(bodies):
            assert reader.peek() == (TYPE, number, len(body))
            assert reader.begin() == (TYPE, number, len(body))
            got = b""
            for cut in cuts:
                got += reader.data(min(cut, reader.remaining))
            got += reader.data(reader.remaining)
            reader.end()
            assert got == body
        assert reader.peek() is None
        assert reader.begin() is None
        assert not reader.peek_octet()
    assert (reader.offset, read.finish()) == (len(octets), wrote.finish())


@given(st.integers(0, 9), st.integers(0, 20), st.integers(0, 3), st.sampled_from([16, 100, 1 << 20]))
def test_batches_are_records(count: int, length: int, other: int, window: int) -> None:
    """The array road and the plain road give the same octets, and read each other's."""
    rng = np.random.default_rng(count)
    bodies = rng.integers(0, 256, (count, length), np.uint8)
    sink = BytesSink()
    writer = StreamWriter(sink, wrote := GroupDigests())
    writer.batch(TYPE, np.arange(count, dtype=np.uint32), bodies)
    assert sink.octets == plain(*map(bytes, bodies))
    octets = bytes(sink.octets) + plain(*[b"another size, by its length......"] * other)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "WINDOW", window)
        reader = StreamReader(BytesSource(octets), read := GroupDigests())
        header = reader.peek()
        got = list(reader.batches(header)) if header is not None and count else []
        assert [n for numbers, _ in got for n in numbers.tolist()] == list(range(count))
        assert b"".join(part.tobytes() for _, part in got) == bodies.tobytes()
        assert reader.offset == writer.offset
    assert read.finish() == wrote.finish()


def test_a_batch_ends_where_type_or_length_change() -> None:
    """What follows is left to who reads it."""
    octets = plain(b"12345678", b"87654321") + plain(b"87654321", type_=TYPE + 1) + plain(b"123456789")
    reader = StreamReader(BytesSource(octets))
    header = reader.begin()
    assert header is not None
    reader.skip()
    reader.end()
    assert [numbers.tolist() for numbers, _ in reader.batches(header)] == [[1]]
    found = reader.peek()
    assert found == (TYPE + 1, 0, 8)
    assert not reader.peek_same(header)


def test_arrays_of_any_shape_are_bodies() -> None:
    """Also those without an element."""
    assert octets_of(np.arange(4, dtype="<u2").reshape(2, 2).data) == bytes([0, 0, 1, 0, 2, 0, 3, 0])
    sink = BytesSink()
    writer = StreamWriter(sink)
    for length in (8, None):
        writer.begin(TYPE, 0, length)
        for array in (np.zeros((0, 4096), np.uint8), np.arange(4, dtype="<u2").reshape(2, 2)):
            writer.data(array.data)
        writer.end()
    assert sink.octets == plain(bytes([0, 0, 1, 0, 2, 0, 3, 0])) * 2


def refused(kind: type[DomctxError], call: Any, *arguments: Any) -> DomctxError:
    """The error that a call ends with."""
    with pytest.raises(kind) as caught:
        call(*arguments)
    return caught.value


def test_a_writer_is_used_in_order() -> None:
    """Begin, data, end; anything else is a bug of the plugin's."""
    writer = StreamWriter(BytesSink())
    assert "data is written outside a record" in str(refused(PluginError, writer.data, b""))
    assert "a record is ended that was not begun" in str(refused(PluginError, writer.end))
    writer.begin(TYPE, 3, 2)
    assert "type 0x00010200[3]: a record is begun before" in str(refused(PluginError, writer.begin, TYPE, 4, 2))
    batch = (TYPE, np.zeros(1, np.uint32), np.zeros((1, 2), np.uint8))
    assert "[3]: a batch is written before the last record has ended" in str(refused(PluginError, writer.batch, *batch))
    writer.data(b"1")
    assert "[3]: a body is shorter than its length; expected 2, got 1" in str(refused(PluginError, writer.end))
    assert "[3]: a body grows past its length; expected 2" in str(refused(PluginError, writer.data, b"23"))


def reader_of(octets: bytes) -> StreamReader:
    """A reader that knows the type's name."""
    return StreamReader(BytesSource(octets), names={TYPE: "CPU"}, offset=0x100)


def test_a_body_is_read_to_its_end_and_no_further() -> None:
    """Unless it is ignored: then exactly the rest of it is skipped."""
    octets = plain(b"123456789", b"next")
    reader = reader_of(octets)
    reader.begin()
    for size in (-1, 10):
        error = refused(RecordError, reader.data, size)
        assert (error.offset, error.record, error.got) == (0x100, "CPU[0]", size)
        assert str(error).endswith(f"the body is read past its end; expected at most 9 octets, got {size}")
    reader.data(4)
    error = refused(RecordError, reader.end)
    assert str(error).endswith("the body is longer than its contents; expected 4 octets, got 9")
    reader.end(ignore_data=True)
    assert reader.begin() == (TYPE, 1, 4)
    assert reader.record_offset == 0x100 + record_size(9)


@pytest.mark.parametrize("place", range(7))
def test_padding_is_zero(place: int) -> None:
    """Each of its octets; also in a batch, where the record is named."""
    octets = bytearray(plain(b"x", b"y"))
    octets[record_size(1) + 17 + place] = 0x80
    reader = reader_of(bytes(octets))
    for _ in range(2):
        assert reader.begin()
        reader.data(1)
        if reader.record_offset == 0x100:
            reader.end()
    error = refused(StreamError, reader.end)
    assert (error.message, error.record, error.offset) == ("the padding is not zero", "CPU[1]", 0x100 + 24 + 17)
    batched = reader_of(bytes(octets))
    header = batched.peek()
    assert header is not None
    error = refused(StreamError, list, batched.batches(header))
    assert (error.message, error.record, error.offset) == ("the padding is not zero", "CPU[1]", 0x100 + 24)


def skip_all(reader: StreamReader) -> None:
    """Go over all records."""
    while reader.begin():
        reader.skip()
        reader.end()


def test_every_cut_is_refused() -> None:
    """In a header, a body or padding; naming the record and the offset."""
    octets = plain(b"12345", b"67")
    for size in range(len(octets)):
        if size in (0, record_size(5)):
            continue
        error = refused(StreamError, skip_all, reader_of(octets[:size]))
        assert error.offset is not None
        wanted = "the first record" if size < 16 else "the record after CPU[0]" if 24 < size < 40 else "CPU"
        assert str(error.record).startswith(wanted)
    error = refused(StreamError, reader_of(octets[:5]).peek)
    assert "the stream ends inside a record header; expected 16 octets, got 5" in str(error)


def test_a_batch_that_is_cut_is_refused() -> None:
    """Where no whole record is left."""
    reader = reader_of(plain(b"12345678", b"12345678")[:-1])
    header = reader.peek()
    assert header is not None
    batches = reader.batches(header)
    assert next(batches)[0].tolist() == [0]
    error = refused(StreamError, next, batches)
    assert error.message == "the stream ends inside a record"


def test_large_bodies_are_read_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past what was looked ahead, without a copy of what is read in one piece."""
    monkeypatch.setattr(stream, "WINDOW", 32)
    monkeypatch.setattr(stream, "SMALL", 32)
    body = bytes(range(200))
    reader = reader_of(plain(body, b"next"))
    reader.begin()
    assert reader.data(100) == body[:100]
    assert reader.data(100) == body[100:]
    reader.end()
    assert reader.begin() == (TYPE, 1, 4)
    cut = reader_of(plain(body)[:100])
    cut.begin()
    error = refused(StreamError, cut.data, 200)
    assert str(error).endswith("the stream ends inside a record; expected 200 octets more, got 84")


class Asked(BytesSource):
    """Tells how much was asked for."""

    def __init__(self, octets: bytes) -> None:
        super().__init__(octets)
        self.sizes: list[int] = []

    def read(self, size: int) -> memoryview:
        """Note it."""
        self.sizes.append(size)
        return super().read(size)


def test_large_records_in_a_row_are_never_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a large record a header is looked ahead and no more, so that the next body is read in one piece."""
    monkeypatch.setattr(stream, "WINDOW", 32)
    monkeypatch.setattr(stream, "SMALL", 32)
    source = Asked(plain(bytes(99), bytes(99), bytes(99)))
    reader = StreamReader(source)
    for _ in range(3):
        reader.begin()
        reader.data(99)
        reader.end()
    assert source.sizes == [32, 99 - 16, 5 + 16, 99, 5 + 16, 99, 5 + 16]


def test_before_the_first_record() -> None:
    """There is no record to name, and nothing to end."""
    reader = reader_of(b"")
    assert reader.name == "the first record"
    reader.end()
    assert reader.offset == 0x100


def test_types_without_a_name_are_told_by_number() -> None:
    """Without bit 31."""
    reader = StreamReader(BytesSource(plain(b"", type_=TYPE | 1 << 31)))
    reader.begin()
    assert reader.name == "type 0x00010200[0]"
