"""Tests of domctx.image: an image file opened for random access."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import pytest

from domctx import image as room, manifest
from domctx.api import Images
from domctx.context import Operation
from domctx.errors import DomainError, DomctxError, UnsupportedError
from domctx.image import open_image
from domctx.pool import Pool
from domctx.sources import BytesSource
from domctx.testing.streams import RawRecord, join
from domctx.verify import verify_stream
from domctx.wire import END_RECORD, TYPE_START, pack_header
from helpers import toys
from helpers.toy_files import opened
from helpers.toy_images import SMALLEST, records_of, resealed, saved, sealed, states, toy_registry, vendor_image
from helpers.toy_machines import MACHINE

TOYS = toy_registry()
IMAGE = saved(TOYS, states())
START, MANIFEST, DIAL, *_ = RECORDS = records_of(IMAGE)
PLAIN = saved(TOYS, states(), Images.PLAIN)
XEN = RawRecord(toys.XEN_CODE, 0, bytes(8))


def test_an_image_is_opened_by_its_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """START, MANIFEST and DIRECTORY are read, no other record."""
    touched: list[int] = []
    real = os.pread

    def pread(descriptor: int, size: int, offset: int) -> bytes:
        touched.append(offset)
        return real(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", pread)
    found = opened(tmp_path, IMAGE)
    assert found.images is Images.DOMCTX
    assert found.manifest is not None
    assert found.manifest.machine == MACHINE
    assert found.directory is not None
    bodies = range(24 + len(MANIFEST.octets()), found.directory.offset)
    assert not [offset for offset in touched if offset in bodies]
    assert sum(group.records for group in found.groups) == len(RECORDS)
    assert found.codes() == [0x1E000, 0x1E010, 0x1E020, 0x1E030, 0x1E040]
    found.close()


def test_a_plain_image_is_walked_by_its_headers(tmp_path: Path) -> None:
    """The smallest too; it has neither MANIFEST nor digests."""
    for octets, codes in ((SMALLEST, []), (PLAIN, [toys.XEN_CODE])):
        found = opened(tmp_path, octets)
        assert (found.images, found.manifest, found.directory) == (Images.PLAIN, None, None)
        assert (found.groups[0].type, found.codes()) == (TYPE_START, codes)
        assert list(found.check_digests(Pool())) == []
        found.close()


def refused(folder: Path, octets: bytes) -> DomctxError:
    """What a file is refused with: named, and with its place; nothing stays open."""
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(DomctxError) as caught:
        opened(folder, octets)
    assert len(os.listdir("/proc/self/fd")) == before
    assert caught.value.file == str(folder / "image.dctx")
    assert caught.value.offset is not None
    assert caught.value.record
    return caught.value


NEWER = attrs.evolve(START, body=bytes([5, 0, 0, 0, 0, 0, 0, 0]))


@pytest.mark.parametrize(
    ("octets", "message", "record", "offset"),
    [
        (b"", "the file ends inside a record header; got 0", "START[0]", 0),
        (IMAGE[:15], "the file ends inside a record header; got 15", "START[0]", 0),
        (IMAGE[:20], "the record reaches past the end of the file", "START[0]", 0),
        (b"\0" + IMAGE[1:], "the file does not begin with START", "START[0]", 0),
        (pack_header(1, 0, 9) + bytes(32), "the file does not begin with START", "START[0]", 0),
        (sealed([NEWER, *RECORDS[1:]]), "the image follows newer record definitions", "START[0]", 0),
        (IMAGE[:30], "the file ends inside a record header", "MANIFEST[0]", 24),
        (IMAGE[:60], "the record reaches past the end of the file; expected at most 0x", "MANIFEST[0]", 24),
        (START.octets() + pack_header(0x10000, 0, 1 << 63), "the record reaches past the end", "MANIFEST[0]", 24),
        (resealed(IMAGE, 1, body=b"\xa0"), "MANIFEST cannot be decoded", "MANIFEST[0]", 24),
        (IMAGE[:-1], "the image has a MANIFEST but no DIRECTORY: it is damaged or was cut", "DIRECTORY[0]", None),
        (join(RECORDS) + END_RECORD, "the image has a MANIFEST but no DIRECTORY", "DIRECTORY[0]", None),
        (IMAGE + b"\0", "the image has a MANIFEST but no DIRECTORY", "DIRECTORY[0]", None),
        (IMAGE[:-1] + b"\1", "END is damaged", "END[0]", None),
        (PLAIN[:-16], "the file ends inside a record header", "END[0]", len(PLAIN) - 16),
        (PLAIN[:-17], "the record reaches past the end of the file", "type 0x00000002[0]", 24),
        (PLAIN[:-1] + b"\1", "the record reaches past the end of the file", "END[0]", len(PLAIN) - 16),
        (PLAIN[:-12] + b"\1" + bytes(11), "END is damaged; expected 00000000 00000000", "END[0]", len(PLAIN) - 16),
        (PLAIN + b"\0", "octets stand after END", "END[0]", len(PLAIN)),
        (join([START, XEN, START]) + END_RECORD, "a record of the core stands where it may not", "START[0]", 48),
        (join([START, XEN, MANIFEST]) + END_RECORD, "a record of the core stands where it may", "MANIFEST[0]", 48),
        (sealed([START, XEN]), "a record of the core stands where it may not", "DIRECTORY[0]", 48),
    ],
)  # fmt: skip
def test_what_is_no_image_is_refused(
    tmp_path: Path, octets: bytes, message: str, record: str, offset: int | None
) -> None:
    """With the file, the record and its offset."""
    error = refused(tmp_path, octets)
    assert message in str(error)
    assert error.record == record
    assert offset in (None, error.offset)


def test_a_manifest_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or refused, as on every other road: where it has more octets than a MANIFEST may have, nothing hides in them."""
    monkeypatch.setattr(manifest, "LIMIT", len(MANIFEST.body))
    opened(tmp_path, IMAGE).close()
    longer = resealed(IMAGE, 1, body=MANIFEST.body + b"\0")
    error = refused(tmp_path, longer)
    assert "the body is too long; expected at most 0x" in str(error)
    (same,) = verify_stream(BytesSource(longer), TOYS, Operation()).problems
    assert (same.message, same.record, same.offset) == (error.message, error.record, error.offset)


def test_newer_images_are_opened_where_it_is_allowed(tmp_path: Path) -> None:
    """In START and in MANIFEST."""
    assert MANIFEST.body
    found = manifest.decode(MANIFEST.body)
    newer = attrs.evolve(MANIFEST, body=manifest.encode(attrs.evolve(found, format_version=(9, 0))))
    octets = sealed([NEWER, newer, *RECORDS[2:]])
    assert isinstance(refused(tmp_path, octets), UnsupportedError)
    with pytest.raises(UnsupportedError):
        open_image(str(tmp_path / "image.dctx"))
    opened(tmp_path, octets, allow_newer=True).close()


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """Is told by its name."""
    with pytest.raises(DomainError, match="missing: No such file or directory"):
        open_image(str(tmp_path / "missing"))
    with pytest.raises(DomainError, match="Is a directory"):
        open_image(str(tmp_path))


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """It says how a pipe is read."""
    reading, writing = os.pipe()
    with pytest.raises(DomainError, match="Illegal seek\n  a pipe is read as standard input: write - for it"):
        open_image(f"/proc/self/fd/{reading}")
    os.close(reading)
    os.close(writing)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DomainError, match="Illegal seek"):
        open_image(str(tmp_path / "pipe"))  # and waits for nobody


def test_digests_are_checked_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All groups, or those of some types; each that is damaged is named, by MANIFEST's names."""
    octets = bytearray(vendor_image())
    for body in (b"three and four!!", b"marked"):
        octets[octets.index(body)] ^= 1
    monkeypatch.setattr(room, "DIGEST_STEP", 7)
    found, pool = opened(tmp_path, bytes(octets)), Pool()
    assert [error.record for error in found.check_digests(pool)] == ["NOTES[0]", "acme/mark[5]"]
    assert [error.record for error in found.check_digests(pool, {toys.NOTES_CODE})] == ["NOTES[0]"]
    assert list(found.check_digests(pool, {toys.DIAL_CODE})) == []
    error = next(iter(found.check_digests(pool)))
    assert str(error).startswith(f"{tmp_path / 'image.dctx'} at 0x{error.offset:016x} in NOTES[0]: the digest is wrong")
    assert error.expected != error.got
    pool.close()
    found.close()


def test_runs_are_stretches_of_one_type(tmp_path: Path) -> None:
    """Groups that touch are one stretch."""
    notes = RECORDS[3:6]
    found = opened(tmp_path, sealed([START, MANIFEST, *notes[:2], DIAL, notes[2]]))
    first = 24 + len(MANIFEST.octets())
    sizes = [len(record.octets()) for record in (*notes, DIAL)]
    assert list(found.runs(toys.NOTES_CODE)) == [
        (first, sizes[0] + sizes[1]),
        (first + sizes[0] + sizes[1] + sizes[3], sizes[2]),
    ]
    assert list(found.runs(toys.BULK_CODE)) == []
    large = [RawRecord(toys.BULK_CODE, n, bytes(70_000)) for n in range(2)]
    apart = opened(tmp_path, sealed([START, MANIFEST, *large]))
    assert list(apart.runs(toys.BULK_CODE)) == [(first, 2 * 70_016)]
    for item in (found, apart):
        item.close()


def test_groups_have_names(tmp_path: Path) -> None:
    """Of the core, of MANIFEST, or none."""
    found = opened(tmp_path, vendor_image())
    names = " ".join(found.name_of(group) for group in found.groups)
    assert names == "START[0] MANIFEST[0] DIAL[0] NOTES[0] LAMPS[7] BULK[0] CLOCK[0] acme/mark[5]"
    plain = opened(tmp_path, PLAIN)
    assert plain.name_of(plain.groups[1]) == "type 0x00000002[0]"
    for item in (found, plain):
        item.close()


def test_a_stretch_is_read_with_the_file_s_offsets(tmp_path: Path) -> None:
    """By a reader of its own."""
    found = opened(tmp_path, IMAGE)
    offset, length = next(found.runs(toys.DIAL_CODE))
    reader = found.reader(offset, length, {toys.DIAL_CODE: "DIAL"})
    assert reader.begin() == (toys.DIAL_CODE, 0, 6)
    assert (reader.record_offset, reader.name) == (offset, "DIAL[0]")
    reader.skip()
    reader.end()
    assert reader.begin() is None
    found.close()
