"""Tests of domctx.walk: what the protocol does not allow is refused, each with its place."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from domctx import manifest
from domctx.api import Images
from domctx.context import Operation
from domctx.directory import WIRE_TYPE
from domctx.errors import DomainError, DomctxError, PluginError, RecordError, StreamError, UnsupportedError
from domctx.manifest import Manifest
from domctx.records import StreamRun
from domctx.registry import BoundType, Registry
from domctx.sources import BytesSource
from domctx.testing.streams import RawRecord, join, split
from domctx.walk import Walk
from domctx.wire import END_RECORD, OPTIONAL, TYPE_MANIFEST, Header, pack_header
from helpers import toy_vendor, toys
from helpers.toy_images import (
    SMALLEST,
    records_of,
    resealed,
    saved,
    sealed,
    states,
    toy_registry,
    vendor_image,
)

TOYS = toy_registry()
IMAGE = saved(TOYS, states())
START, MANIFEST, DIAL, NOTE, *_ = RECORDS = records_of(IMAGE)
TAIL = RECORDS[3:]


class Notebook:
    """A Receiver that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def prepare(self, manifest: Manifest | None) -> None:
        """Note it."""
        self.told.append(manifest and manifest.machine.name)

    def run(self, bound: BoundType, run: StreamRun) -> None:
        """Note each record."""
        for record in run:
            record.ignore_data()
            self.told.append((bound.type.name, record.instance, record.version))

    def skip(self, header: Header, offset: int) -> None:
        """Note it."""
        self.told.append((header.type, offset))


def walk(image: bytes, registry: Registry = TOYS, *, digests: bool = True, allow_newer: bool = False) -> Notebook:
    """Walk an image whole."""
    notebook = Notebook()
    Walk(BytesSource(image), registry, Operation(allow_newer=allow_newer), digests=digests).into(notebook)
    return notebook


def refused(image: bytes, registry: Registry = TOYS, **more: Any) -> DomctxError:
    """What an image is refused with: always with a place."""
    with pytest.raises(DomctxError) as caught:
        walk(image, registry, **more)
    assert caught.value.offset is not None
    assert caught.value.record
    return caught.value


@pytest.mark.parametrize("digests", [True, False])
def test_everything_is_told_in_stream_order(digests: bool) -> None:
    """The description, each run, and what is skipped."""
    told = walk(vendor_image(), digests=digests).told
    assert told[0] == "toy"
    assert told[1:4] == [("DIAL", 0, 3), ("NOTES", 0, 1), ("NOTES", 1, 1)]
    assert told[-1][0] == toy_vendor.MARK_CODE | OPTIONAL


def test_plain_images() -> None:
    """START and END are an image; one without MANIFEST describes nothing, and its records are of the first version."""
    assert walk(SMALLEST).told == [None]
    assert walk(saved(TOYS, states(), Images.PLAIN)).told == [None, ("XEN_CLOCK", 0, 1)]


def test_records_are_counted() -> None:
    """DIRECTORY and END are not."""
    for image, count in ((IMAGE, len(RECORDS)), (SMALLEST, 1)):
        found = Walk(BytesSource(image), TOYS, Operation())
        found.into(Notebook())
        assert found.records == count


def replaced(index: int, **changes: Any) -> bytes:
    """The image with a record changed, and right digests."""
    return resealed(IMAGE, index, **changes)


LATER_START = attrs.evolve(START, body=(4).to_bytes(4, "little") + (16).to_bytes(4, "little"))
LONG_START = attrs.evolve(START, body=bytes(16))


@pytest.mark.parametrize(
    ("image", "message", "record", "offset"),
    [
        (b"", "the stream ends too early", "START[0]", 0),
        (IMAGE[:15], "the stream ends inside a record header", "the first record", 0),
        (IMAGE[16:], "the stream does not begin with START", "START[0]", 0),
        (replaced(0, instance=1), "the stream does not begin with START; expected type 0x00000001", "START[0]", 0),
        (sealed([LONG_START, *RECORDS[1:]]), "the body is too long; expected at most 0x8, got 0x10", "START[0]", 0),
        (replaced(0, body=bytes(4)), "START has the wrong length", "START[0]", 0),
        (replaced(1, instance=1), "MANIFEST has instance 0 only; got 0x00000001", "MANIFEST[1]", 24),
        (replaced(1, body=MANIFEST.body[:-1]), "MANIFEST: bad CBOR", "MANIFEST[0]", 24),
        (START.octets() + pack_header(TYPE_MANIFEST, 0, 1 << 63), "the body is too long", "MANIFEST[0]", 24),
        (sealed([START, MANIFEST, MANIFEST, *TAIL]), "record of the core stands where it may not", "MANIFEST[0]", None),
        (sealed([*RECORDS, MANIFEST]), "record of the core stands where it may not", "MANIFEST[0]", None),
        (sealed([*RECORDS, START]), "record of the core stands where it may not", "START[0]", None),
        (sealed([START, DIAL, *TAIL]), "the type stands in no plain v10 image", "DIAL[0]", 24),
        (sealed([START]), "DIRECTORY stands in an image without MANIFEST", None, 24),
        (join(RECORDS) + END_RECORD, "the image has a MANIFEST but no DIRECTORY: it is damaged", "DIRECTORY[0]", None),
        (IMAGE[:-16], "the stream ends without END", "END[0]", len(IMAGE) - 16),
        (IMAGE + b"\0", "octets stand after END", "END[0]", len(IMAGE)),
        (IMAGE[:-12] + b"\1" + bytes(11), "END is damaged; expected 00000000", "END[0]", len(IMAGE) - 16),
        (IMAGE[:-1] + b"\x80", "END is damaged", "END[0]", len(IMAGE) - 16),
        (replaced(2, type=0x1E0F0), "unknown record type", "type 0x0001e0f0[0]", None),
        (replaced(2, type=9 | OPTIONAL), "unknown record type", "type 0x80000009[0]", None),
        (SMALLEST[:24] + pack_header(toys.XEN_CODE | OPTIONAL, 0, 0) + END_RECORD, "unknown", "type 0x80000002[0]", 24),
        (SMALLEST[:24] + pack_header(0x8002_0000, 0, 0) + END_RECORD, "unknown record type", "type 0x80020000[0]", 24),
        (sealed([*RECORDS[:3], DIAL, *TAIL]), "the type has one record only, this is another", "DIAL[0]", None),
        (replaced(2, instance=2), "the type has instance 0 only", "DIAL[2]", None),
        (replaced(4, instance=0), "instances run from 0 without a gap, expected 1", "NOTES[0]", None),
        (sealed([START, MANIFEST, DIAL, *RECORDS[4:]]), "run from 0 without a gap, expected 0", "NOTES[1]", None),
        (sealed([*RECORDS, NOTE]), "instances run from 0 without a gap, expected 3", "NOTES[0]", None),
        (replaced(2, type=toys.XEN_CODE), "MANIFEST does not list the type", "XEN_CLOCK[0]", None),
        (replaced(3, pad=b"\0\0\0\0\1"), "the padding is not zero; got 00 00 00 00 01", "NOTES[0]", None),
    ],
)  # fmt: skip
def test_what_the_protocol_does_not_allow(image: bytes, message: str, record: str | None, offset: int | None) -> None:
    """Digests are right everywhere: it is the framing that is not."""
    error = refused(image)
    assert message in str(error)
    assert record in (None, error.record)
    assert offset in (None, error.offset)


def split_at_directory(image: bytes) -> tuple[list[RawRecord], RawRecord]:
    """The records before DIRECTORY, and DIRECTORY."""
    *before, found, _ = split(image)
    return before, found


def test_directory_has_its_place() -> None:
    """Once, with instance 0, directly before END, and never longer than the image allows."""
    before, found = split_at_directory(IMAGE)
    assert "a record stands between DIRECTORY and END" in str(refused(join([*before, found, found]) + END_RECORD))
    assert refused(join([*before, found, found]) + END_RECORD).record == "DIRECTORY[0]"
    assert "a record stands between" in str(refused(join([*before, found, DIAL]) + END_RECORD))
    assert refused(join([*before, found, DIAL]) + END_RECORD).record == "DIAL[0]"
    late = attrs.evolve(found, instance=1)
    assert "DIRECTORY has instance 0 only; got 0x00000001" in str(refused(join([*before, late]) + END_RECORD))
    huge = join(before) + pack_header(WIRE_TYPE, 0, 1 << 40)
    assert "the body is too long; expected at most" in str(refused(huge))
    bare = attrs.evolve(found, type=WIRE_TYPE & ~OPTIONAL)
    assert "a record of the core stands where it may not" in str(refused(join([*before, bare]) + END_RECORD))


@pytest.mark.parametrize("digests", [True, False])
def test_directory_tells_what_the_stream_has(digests: bool) -> None:
    """Also where the digests were checked before: an image cannot tell other records than it holds."""
    before, found = split_at_directory(IMAGE)
    error = refused(join([*before[:3], *before[4:], found]) + END_RECORD, digests=digests)
    assert isinstance(error, StreamError)
    other = split_at_directory(saved(TOYS, {**states(), toys.NOTES: toys.Notes([b"one"])}))[1]
    moved = attrs.evolve(other, body=other.body)
    error = refused(join([*before, moved]) + END_RECORD, digests=digests)
    assert "tail is damaged" in str(error)


def test_a_wrong_digest_names_the_record() -> None:
    """A flip in a body that any octets fill."""
    place = IMAGE.index(b"three and four!!")
    damaged = IMAGE[:place] + b"T" + IMAGE[place + 1 :]
    error = refused(damaged)
    assert str(error).startswith(f"at 0x{error.offset:016x} in NOTES[0]: the digest is wrong: the record is damaged")
    assert walk(damaged, digests=False)


@pytest.mark.parametrize("index", [3, 4])
def test_a_run_stops_where_its_records_stop(index: int) -> None:
    """X and X with bit 31 are one type, and one run; what is known is not skipped."""
    image = resealed(IMAGE, index, type=toys.NOTES_CODE | OPTIONAL)
    assert [item for item in walk(image).told if "NOTES" in str(item)] == [("NOTES", n, 1) for n in range(3)]


def test_unknown_optional_records_are_skipped_once_each() -> None:
    """Their instances are unique too."""
    mark = records_of(vendor_image())[-1]
    two = sealed([*records_of(vendor_image()), attrs.evolve(mark, instance=6)])
    assert [item[0] for item in walk(two).told[-2:]] == [mark.type, mark.type]
    error = refused(sealed([*records_of(vendor_image()), mark]))
    assert "this instance stands in the image twice" in str(error)
    assert error.record == f"type 0x{mark.type:08x}[5]"


def test_versions_of_start() -> None:
    """Newer is refused unless it is allowed; older is welcome."""
    newer = sealed([LATER_START, *RECORDS[1:]])
    error = refused(newer)
    assert isinstance(error, UnsupportedError)
    assert (error.record, error.offset) == ("START[0]", 0)
    assert walk(newer, allow_newer=True)
    assert walk(sealed([attrs.evolve(START, body=bytes(8)), *RECORDS[1:]]))


def test_newer_manifests() -> None:
    """The format version is checked as START's."""
    found = manifest.decode(MANIFEST.body)
    newer = replaced(1, body=manifest.encode(attrs.evolve(found, format_version=(1, 1))))
    assert refused(newer).record == "MANIFEST[0]"
    assert walk(newer, allow_newer=True)


class Leaves(Notebook):
    """A Receiver that does not read its runs."""

    def run(self, bound: BoundType, run: StreamRun) -> None:
        """Nothing."""


class Fails(Notebook):
    """A Receiver that fails, with the file of its own in the error or without."""

    def __init__(self, file: str | None, *, early: bool = False) -> None:
        super().__init__()
        self.file, self.early = file, early

    def prepare(self, manifest: Manifest | None) -> None:
        """Fail at once."""
        if self.early:
            raise DomainError("no room", file=self.file)

    def run(self, bound: BoundType, run: StreamRun) -> None:
        """Fail in the first run."""
        raise RecordError("odd", file=self.file)


def into(receiver: Notebook) -> DomctxError:
    """The error that a walk into a receiver ends with."""
    with pytest.raises(DomctxError) as caught:
        Walk(BytesSource(IMAGE), TOYS, Operation()).into(receiver)
    return caught.value


def test_errors_of_the_receiver_get_their_place() -> None:
    """But an offset of the stream is none of another file's, nor of a target that cannot be made."""
    assert isinstance(into(Leaves()), PluginError)
    error = into(Fails(None))
    assert (error.offset, error.record) == (24 + len(MANIFEST.octets()), "DIAL[0]")
    error = into(Fails("/machine"))
    assert (error.offset, error.record, error.file) == (None, "DIAL[0]", "/machine")
    error = into(Fails(None, early=True))
    assert (error.offset, error.record) == (None, None)
