"""gzip files."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomainError, StreamError
from domctx_lgr import inflate
from domctx_lgr.files import PlainFile, open_plain
from domctx_lgr.inflate import GzipFile, Inflater, beginning, open_octets
from helpers.lgr_files import members

DATA = bytes(range(256)) * 3000 + bytes(700_000) + os.urandom(5000)


def plain_of(folder: Path, octets: bytes) -> PlainFile:
    """A file of these octets."""
    (folder / "file.gz").write_bytes(octets)
    return open_plain(str(folder / "file.gz"))


def gzip_of(folder: Path, octets: bytes, notes: list[str] | None = None) -> GzipFile:
    """The same as a gzip file."""
    return GzipFile(plain_of(folder, octets), (notes if notes is not None else []).append)


def passes(file: PlainFile) -> bytes | None:
    """Everything; None where the file is refused."""
    try:
        return inflated(Inflater(file))
    except StreamError:
        return None


def inflated(inflater: Inflater, step: int = 100_003) -> bytes:
    """Everything, in steps."""
    found, view = bytearray(), memoryview(bytearray(step))
    while got := inflater.fill(view):
        found += view[:got]
    return bytes(found)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, len(DATA)), max_size=4), st.integers(0, 9), st.integers(1000, 300_000))
def test_members_of_any_level_follow_each_other(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], level: int, step: int
) -> None:
    """Members, empty ones too, inflate to what they were made of, however it is asked for."""
    file = plain_of(tmp_path_factory.mktemp("gz"), members(DATA, *cuts, level=level))
    inflater = Inflater(file)
    assert inflated(inflater, step) == DATA
    assert inflater.ended
    assert inflater.trailing is None
    file.close()


def test_a_header_with_all_its_fields_is_read(tmp_path: Path) -> None:
    """Name, comment, extra field and header checksum are no hindrance, also in a later member."""
    head = bytes([0x1F, 0x8B, 8, 0x1E, 0, 0, 0, 0, 0, 3]) + b"\x04\x00abcd" + b"name\0" + b"comment\0"
    head += (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little")
    raw = zlib.compressobj(6, zlib.DEFLATED, -15)
    trailer = zlib.crc32(DATA).to_bytes(4, "little") + len(DATA).to_bytes(4, "little")
    member = head + raw.compress(DATA) + raw.flush() + trailer
    for before in (b"", gzip.compress(os.urandom(inflate.WINDOW - 30), 0)):
        file = plain_of(tmp_path, before + member)
        assert inflated(Inflater(file)).endswith(DATA)
        file.close()


@pytest.mark.parametrize("rest", [b"\0", b"rest", b"\x1f"])
def test_what_stands_behind_the_last_member_is_found(tmp_path: Path, rest: bytes) -> None:
    """Octets that begin no member end the gzip file, and are kept."""
    octets = members(DATA, 1000)
    zipped = gzip_of(tmp_path, octets + rest)
    assert zipped.length() == len(DATA)
    assert zipped.file.read(zipped.end(), 100) == rest
    zipped.close()
    alone = gzip_of(tmp_path, octets)
    assert alone.end() == len(octets)
    alone.close()


def test_every_cut_is_told_with_the_place(tmp_path: Path) -> None:
    """A gzip file that ends within a member is refused where it ends."""
    octets = members(DATA[:3000], 1000)
    first = len(gzip.compress(DATA[:1000], 6, mtime=0))
    for size in range(2, len(octets)):
        file = plain_of(tmp_path, octets[:size])
        if size in (first, first + 1):
            assert inflated(Inflater(file)) == DATA[:1000]
        else:
            with pytest.raises(StreamError, match="ends early") as caught:
                inflated(Inflater(file))
            assert caught.value.offset == size
        file.close()


def test_every_flipped_bit_of_the_data_is_found(tmp_path: Path) -> None:
    """CRC-32 and length of each member are checked: no flipped bit behind the header passes as other octets."""
    data = DATA[:600]
    octets = members(data, 300)
    for place in range(len(octets)):
        damaged = bytearray(octets)
        damaged[place] ^= 1 << place % 8
        file = plain_of(tmp_path, bytes(damaged))
        assert passes(file) in (None, data, data[:300], b"")
        file.close()


def test_the_beginning_is_read_without_a_spool(tmp_path: Path) -> None:
    """Reads near the beginning inflate no further than they must; a read far behind spools, and says so."""
    data = os.urandom(1 << 20) * 7
    notes: list[str] = []
    zipped = gzip_of(tmp_path, gzip.compress(data, 1), notes)
    assert zipped.read(10, 20) == data[10:30]
    assert zipped.read(0, 1000) == data[:1000]
    assert zipped.promised() == len(data)
    assert notes == []
    assert zipped.read(6 << 20, 100) == data[6 << 20 :][:100]
    assert len(notes) == 1
    assert "unlinked" in notes[0]
    assert zipped.read(5, 5) == data[5:10]
    view = bytearray(7)
    assert zipped.fill(100, memoryview(view)) == 7
    assert bytes(view) == data[100:107]
    assert [path.name for path in tmp_path.iterdir()] == ["file.gz"]
    zipped.close()


@pytest.mark.parametrize("spooled", [False, True])
def test_streams_begin_where_they_are_asked_to(tmp_path: Path, spooled: bool) -> None:
    """A stream gives the octets from its place on, inflated anew or from the spool."""
    zipped = gzip_of(tmp_path, members(DATA, 50_000))
    if spooled:
        assert zipped.length() == len(DATA)
    view = bytearray(1000)
    assert zipped.stream(49_990).fill(memoryview(view)) == 1000
    assert bytes(view) == DATA[49_990:50_990]
    assert zipped.stream(len(DATA) + 5).fill(memoryview(view)) == 0
    zipped.close()


def test_a_file_that_inflates_without_end_is_refused(tmp_path: Path) -> None:
    """More octets than any record of its size are not spooled."""
    zipped = gzip_of(tmp_path, gzip.compress(bytes(4 << 20)))
    zipped.most = 3 << 20
    with pytest.raises(StreamError, match="inflates to more than any record of its size"):
        zipped.length()
    assert [path.name for path in tmp_path.iterdir()] == ["file.gz"]
    zipped.close()


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool that the disk refuses is a DomainError that names the file."""
    zipped = gzip_of(tmp_path, gzip.compress(DATA))
    monkeypatch.setattr(inflate, "open_spool", lambda beside: os.open("/dev/full", os.O_RDWR))
    with pytest.raises(DomainError, match=r"file.gz \(its spool\): No space left"):
        zipped.length()
    zipped.close()


def test_the_first_octets_tell_whether_a_file_is_gzip(tmp_path: Path) -> None:
    """A file is opened as gzip where it begins with gzip's magic, and as it is otherwise."""
    notes: list[str] = []
    for octets, kind in ((gzip.compress(b"x"), GzipFile), (b"x", PlainFile), (b"", PlainFile)):
        (tmp_path / "file").write_bytes(octets)
        found = open_octets(str(tmp_path / "file"), notes.append)
        assert isinstance(found, kind)
        found.close()


def test_the_beginning_of_a_head() -> None:
    """The first octets of what a head inflates to; nothing where it is no gzip."""
    assert beginning(gzip.compress(DATA)[:3000], 5) == DATA[:5]
    assert beginning(b"\x1f\x8bnonsense", 5) == b""
