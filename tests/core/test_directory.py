"""Tests of domctx.directory: what stands where, and the digests over it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import blake3
import pytest
from hypothesis import given, strategies as st

from domctx import directory
from domctx.directory import HEAD, ROW_SIZE, TAIL, WIRE_TYPE, Directory, compare, encode, find, limit
from domctx.errors import DomctxError, StreamError, UnsupportedError
from domctx.groups import Group
from domctx.wire import END_RECORD, pack_header
from helpers.toy_images import vendor_image

U32 = st.integers(0, 0xFFFF_FFFF)
ROWS = st.lists(st.tuples(U32, U32, st.integers(1, 99), st.integers(1, 1 << 40), st.binary(min_size=32, max_size=32)))


def rows_of(*rows: tuple[int, int, int, int, bytes]) -> tuple[list[Group], int]:
    """Groups that follow each other, and where DIRECTORY stands behind them."""
    groups, offset = [], 0
    for type_, instance, records, length, digest in rows:
        groups.append(Group(type_, instance, records, offset, length, digest))
        offset += length
    return groups, offset


GROUPS, OFFSET = rows_of((1, 0, 1, 24, b"a" * 32), (0x10200, 3, 2, 64, b"b" * 32), (0x10300, 0, 1, 32, b"c" * 32))


@given(ROWS, st.integers(1, 9))
def test_groups_are_read_as_written(rows: list[tuple[int, int, int, int, bytes]], at_once: int) -> None:
    """Columns of packed numbers, a multiple of eight octets long, however many of them are unpacked at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(directory, "ROWS", at_once)
        check_written(*rows_of(*rows))


def check_written(groups: list[Group], offset: int) -> None:
    """The groups are written as they should be, and read again."""
    records = sum(group.records for group in groups)
    body = encode(groups, records, offset)
    found = Directory(body, offset)
    assert len(body) == HEAD.size + ROW_SIZE * len(groups) + TAIL.size
    assert len(body) % 8 == 0
    assert list(found[:2]) == groups[:2]
    assert [found[row] for row in range(len(found))] == groups
    assert (list(found), found.records, len(found)) == (groups, records, len(groups))
    assert found.image_digest == blake3.blake3(b"".join(group.digest for group in groups)).digest()


def sealed(body: bytes) -> bytes:
    """A changed body with its own digest made right again."""
    tail = TAIL.unpack(body[-TAIL.size :])
    covered = pack_header(WIRE_TYPE, 0, len(body)) + body[: -TAIL.size]
    return body[: -TAIL.size] + TAIL.pack(blake3.blake3(covered).digest(), *tail[1:])


def put(body: bytes, at: int, form: str, value: int) -> bytes:
    """A body in which another number stands at some place."""
    changed = bytearray(body)
    struct.pack_into(form, changed, at, value)
    return bytes(changed)


BODY = encode(GROUPS, 4, OFFSET)
COLUMN = HEAD.size


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (BODY[: HEAD.size + TAIL.size - 1], "DIRECTORY is too short; expected at least 104 octets, got 103"),
        (BODY[:-1] + b"?", "DIRECTORY's tail is damaged"),
        (put(BODY, len(BODY) - 16, "<Q", 8), "DIRECTORY's tail is damaged"),
        (put(BODY, 0, "<I", 2), "DIRECTORY's own digest is wrong: it is damaged"),
        (sealed(put(BODY, 8, "<Q", 4)), "DIRECTORY has the wrong length for its groups; expected 360, got 296"),
        (sealed(put(BODY, 8, "<Q", 1 << 63)), "DIRECTORY has the wrong length for its groups"),
        (sealed(put(BODY, 16, "<Q", 5)), "DIRECTORY's count of records is wrong; expected 4, got 5"),
        (sealed(put(BODY, 24, "<Q", 5)), "the image digest does not match the groups' digests"),
        (sealed(put(BODY, COLUMN + 36, "<I", 1)), "DIRECTORY's reserved column is not zero"),
        (sealed(put(BODY, COLUMN + 56, "<Q", 32)), "leave a gap; expected 0x0000000000000018, got 0x0000000000000020"),
        (sealed(put(BODY, COLUMN + 72, "<Q", 0)), "DIRECTORY's groups leave a gap"),
        (sealed(put(BODY, COLUMN + 88, "<Q", 40)), "DIRECTORY's groups do not reach it"),
    ],
)
def test_a_damaged_directory_is_refused(body: bytes, message: str) -> None:
    """Each with its own message, naming DIRECTORY and its offset."""
    with pytest.raises(StreamError) as caught:
        Directory(body, OFFSET)
    assert message in str(caught.value)
    assert (caught.value.offset, caught.value.record) == (OFFSET, "DIRECTORY[0]")


@pytest.mark.parametrize(("at", "got"), [(0, "2, 1"), (4, "1, 2")])
def test_another_version_or_digest_is_unsupported(at: int, got: str) -> None:
    """Not damage: something newer wrote it."""
    with pytest.raises(UnsupportedError, match=f"another version or digest; expected 1, 1, got {got}"):
        Directory(sealed(put(BODY, at, "<I", 2)), OFFSET)


def reader(image: bytes) -> Callable[[int, int], bytes]:
    """Random reads of octets in memory."""
    return lambda offset, size: image[offset : offset + size]


def test_find_reads_the_end_of_a_file() -> None:
    """And nothing else: no octet before DIRECTORY is read."""
    image = vendor_image()
    found = find(reader(image), len(image))
    assert found is not None
    hidden = bytes(found.offset) + image[found.offset :]
    again = find(reader(hidden), len(hidden))
    assert again is not None
    assert list(again) == list(found)


@pytest.mark.parametrize("image", [b"", bytes(31), bytes(99), vendor_image()[:-1], vendor_image() + b"\0"])
def test_find_gives_none_where_the_end_shows_none(image: bytes) -> None:
    """Too short, or other octets where the magic stands."""
    assert find(reader(image), len(image)) is None


def changed(at: int, octets: bytes) -> bytes:
    """The image with other octets, ``at`` counted from its end."""
    image = bytearray(vendor_image())
    image[at : at + len(octets) or None] = octets
    return bytes(image)


@pytest.mark.parametrize(
    ("image", "message", "record"),
    [
        (changed(-1, b"\1"), "END is damaged; expected sixteen zero octets", "END[0]"),
        (changed(-32, (1 << 63).to_bytes(8, "little")), "DIRECTORY's offset cannot be right", "DIRECTORY[0]"),
        (changed(-32, bytes(8)), "DIRECTORY's offset cannot be right", "DIRECTORY[0]"),
        (changed(-32, (len(vendor_image()) - 24).to_bytes(8, "little")), "offset cannot be right", "DIRECTORY[0]"),
        (changed(-32, (len(vendor_image()) - 32).to_bytes(8, "little")), "header is damaged", "DIRECTORY[0]"),
    ],
)
def test_find_refuses_what_is_damaged_around_it(image: bytes, message: str, record: str) -> None:
    """END, the offset, the header; each with its place."""
    with pytest.raises(StreamError) as caught:
        find(reader(image), len(image))
    assert message in str(caught.value)
    assert caught.value.record == record
    assert caught.value.offset is not None


def test_find_does_not_read_what_no_directory_can_be() -> None:
    """An offset at the start of a large file is refused before anything is read."""
    asked: list[int] = []
    size = 1 << 50

    def read(offset: int, length: int) -> bytes:
        asked.append(length)
        return (bytes(8) + directory.MAGIC + END_RECORD) if offset == size - 32 else bytes(length)

    with pytest.raises(StreamError, match="DIRECTORY's offset cannot be right"):
        find(read, size)
    assert asked == [32]


@given(st.integers(0, 1 << 60))
def test_the_limit_is_far_below_the_image(offset: int) -> None:
    """A row for each record at most, and for large images one for some 32 KiB."""
    rows = (limit(offset) - HEAD.size - TAIL.size) // ROW_SIZE
    assert rows <= offset // 16
    assert rows <= 2 * offset // (64 << 10) + directory.ALTERNATIONS


def raised(call: Callable[[], Any]) -> DomctxError:
    """The error that a call ends with."""
    with pytest.raises(DomctxError) as caught:
        call()
    return caught.value


def test_compare_names_the_first_record_that_differs() -> None:
    """By the names that the reader knows."""
    found, names = Directory(BODY, OFFSET), {0x10200: "CPU"}
    compare(found, GROUPS, names)
    compare(found, [group._replace(digest=b"") for group in GROUPS], names)
    other = [GROUPS[0], GROUPS[1]._replace(digest=b"x" * 32), GROUPS[2]]
    error = raised(lambda: compare(found, other, names))
    assert str(error).startswith("at 0x0000000000000018 in CPU[3]: the digest is wrong: the record is damaged; ")
    for groups, record in (
        (GROUPS[:2], "type 0x00010300[0]"),
        ([*GROUPS, GROUPS[2]], "type 0x00010300[0]"),
        ([GROUPS[0], GROUPS[1]._replace(records=3), GROUPS[2]], "CPU[3]"),
        ([GROUPS[0]._replace(type=2), *GROUPS[1:]], "type 0x00000002[0]"),
    ):
        error = raised(lambda groups=groups: compare(found, groups, names))  # type: ignore[misc]  # a default binds it
        assert "DIRECTORY tells other records than the stream has" in error.message
        assert error.record == record
    assert "got nothing" in str(raised(lambda: compare(found, GROUPS[:2], names)))
