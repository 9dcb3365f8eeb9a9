"""Tests of domctx.indexed: records of an opened image, read at random."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from domctx.errors import RecordError
from domctx.files import RandomFile
from domctx.indexed import FileRecord, FileRecords
from domctx.testing.streams import RawRecord
from domctx.wire import Header
from helpers.toy_images import toy
from helpers.toys import DIAL_CODE, DialBody

DIAL = toy(DIAL_CODE)


def test_a_record_of_a_file_is_read_at_random(tmp_path: Path) -> None:
    """Exactly, within its bounds, as long as the file has them."""
    path = tmp_path / "f"
    path.write_bytes(bytes(8) + RawRecord(DIAL_CODE, 0, b"\4\0\0\0\5\0").octets())
    file = RandomFile(os.open(path, os.O_RDONLY), str(path))
    record = FileRecord(file, Header(DIAL_CODE, 0, 6), 8, DIAL, 3)
    assert (record.file, record.instance, record.length, record.offset, record.version) == (str(path), 0, 6, 8, 3)
    assert bytes(record.read()) == b"\4\0\0\0\5\0"
    assert bytes(record.read(4)) == b"\5\0"
    assert bytes(record.read(1, 2)) == b"\0\0"
    assert bytes(record.read(6)) == bytes(record.read(2, 0)) == b""
    assert record.decode() == DialBody(4, 5)
    place = f"{path} at 0x{8:016x} in DIAL[0]: "
    for start, size in ((0, 7), (7, None), (-1, 2), (3, -1)):
        with pytest.raises(RecordError, match=re.escape(f"{place}the body is read outside its bounds; expected 0..6")):
            record.read(start, size)
    assert str(record.error("odd")) == f"{path} at 0x{8:016x} in DIAL[0]: odd"
    os.truncate(path, 26)
    with pytest.raises(RecordError, match="the file has become shorter; expected 6 octets, got 2"):
        record.read()
    file.close()


def test_records_are_made_when_they_are_asked_for(tmp_path: Path) -> None:
    """One by one, or some of them, each at its place."""
    path = tmp_path / "f"
    raw = [RawRecord(DIAL_CODE, number, bytes([number, 0, 0, 0, 5, 0])) for number in (1, 2, 3)]
    path.write_bytes(b"".join(record.octets() for record in raw))
    file = RandomFile(os.open(path, os.O_RDONLY), str(path))
    records = FileRecords(file, DIAL, 3, ((Header(DIAL_CODE, number, 6), 24 * number - 24) for number in (1, 2, 3)))
    assert [record.instance for record in records] == [1, 2, 3]
    assert [record.decode() for record in records[1:]] == [DialBody(2, 5), DialBody(3, 5)]
    assert (len(records), records[-1].offset, records[0].version) == (3, 48, 3)
    with pytest.raises(IndexError):
        records[3]
    file.close()
