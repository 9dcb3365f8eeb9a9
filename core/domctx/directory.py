"""DIRECTORY: what stands where in an image, and the digests over it.

Records are gathered into groups: one record, or consecutive records of one type up to 64 KiB. Each group has one
BLAKE3 digest over header, body and padding; groups follow each other without a gap from START up to DIRECTORY, and
the image digest is BLAKE3 over their digests in order. The body of DIRECTORY, little-endian:

    u32 version = 1 · u32 digest = 1 (BLAKE3, 32 octets) · u64 groups G · u64 records · 32 octets image digest
    columns: u32 type[G] · u32 first instance[G] · u32 records[G] · u32 zero[G] · u64 offset[G] · u64 length[G]
             · 32 octets digest[G]
    32 octets own digest (BLAKE3 over DIRECTORY's header and its body up to here) · u64 own offset · 8 octets magic

Its last sixteen octets are found at a fixed distance from the end of the file, so opening never walks it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

import blake3

from domctx.errors import StreamError, UnsupportedError
from domctx.groups import GROUP_LIMIT, Group
from domctx.made import MadeSequence
from domctx.wire import END_RECORD, HEADER, OPTIONAL, TYPE_DIRECTORY, pack_header, record_name

if TYPE_CHECKING:
    from domctx.protocols import Buffer

VERSION: Final = 1
BLAKE3: Final = 1
ALTERNATIONS: Final = 1 << 20
"""How often the type of records may change more than they would in ascending order, in an image that is read."""
DIGEST_SIZE: Final = 32
MAGIC: Final = b"DCTXDIR\x01"
HEAD: Final = struct.Struct("<IIQQ32s")
TAIL: Final = struct.Struct(f"<{DIGEST_SIZE}sQ8s")
ROW_SIZE: Final = 4 + 4 + 4 + 4 + 8 + 8 + DIGEST_SIZE
COLUMNS: Final = ((0, "I"), (4, "I"), (8, "I"), (16, "Q"), (24, "Q"))
"""The columns of a group's numbers: octets of a row that stand in the columns before, and what it is made of."""
ROWS: Final = 1 << 12
"""Rows that are unpacked at once."""
WIRE_TYPE: Final = TYPE_DIRECTORY | OPTIONAL
RECORD: Final = "DIRECTORY[0]"


def encode(groups: list[Group], records: int, offset: int) -> bytes:
    """The body of DIRECTORY for an image whose DIRECTORY stands at ``offset``; a multiple of 8 octets long."""
    image = blake3.blake3(b"".join(group.digest for group in groups)).digest()
    count = len(groups)
    columns = list(zip(*groups, strict=True)) if groups else [()] * 6
    types, instances, numbers, offsets, lengths, digests = columns
    parts = [
        HEAD.pack(VERSION, BLAKE3, count, records, image),
        struct.pack(f"<{count}I", *types),
        struct.pack(f"<{count}I", *instances),
        struct.pack(f"<{count}I", *numbers),
        bytes(4 * count),
        struct.pack(f"<{count}Q", *offsets),
        struct.pack(f"<{count}Q", *lengths),
        *digests,
    ]
    body = b"".join(parts)
    header = pack_header(WIRE_TYPE, 0, len(body) + TAIL.size)
    return body + TAIL.pack(blake3.blake3(header + body).digest(), offset, MAGIC)


class Directory(MadeSequence[Group]):
    """A decoded DIRECTORY: its groups in the order of the stream. Columns stay packed; rows are made on demand."""

    def __init__(self, body: Buffer, offset: int) -> None:
        """Decode and check the body of the DIRECTORY at ``offset``.

        Raises StreamError where its own digest, its sizes, its image digest or the run of its groups is wrong, and
        UnsupportedError for a version or digest that is not known.
        """
        self.offset = offset
        self._body = memoryview(body).cast("B")
        self.rows, self.records, self.image_digest = self._check_frame()
        self._check_groups()

    def error(self, message: str, expected: object = None, got: object = None) -> StreamError:
        """A StreamError that names the DIRECTORY and its offset."""
        return StreamError(message, offset=self.offset, record=RECORD, expected=expected, got=got)

    def _check_frame(self) -> tuple[int, int, bytes]:
        body = self._body
        if len(body) < HEAD.size + TAIL.size:
            raise self.error("DIRECTORY is too short", f"at least {HEAD.size + TAIL.size} octets", len(body))
        digest, own_offset, magic = TAIL.unpack(body[-TAIL.size :])
        if magic != MAGIC or own_offset != self.offset:
            raise self.error("DIRECTORY's tail is damaged", f"its own offset 0x{self.offset:016x} and the magic")
        covered = pack_header(WIRE_TYPE, 0, len(body)) + body[: -TAIL.size]
        if blake3.blake3(covered).digest() != digest:
            raise self.error("DIRECTORY's own digest is wrong: it is damaged")
        version, kind, count, records, image = HEAD.unpack(body[: HEAD.size])
        if (version, kind) != (VERSION, BLAKE3):
            raise UnsupportedError(
                "DIRECTORY has another version or digest",
                offset=self.offset,
                record=RECORD,
                expected=f"{VERSION}, {BLAKE3}",
                got=f"{version}, {kind}",
                hint="update domctx",
            )
        wanted = HEAD.size + TAIL.size + count * ROW_SIZE
        if len(body) != wanted:
            raise self.error("DIRECTORY has the wrong length for its groups", wanted, len(body))
        return count, records, image

    def _check_groups(self) -> None:
        position = 0
        for offset, length in zip(self._column(16, "Q"), self._column(24, "Q"), strict=True):
            if offset != position or length == 0:
                raise self.error("DIRECTORY's groups leave a gap", f"0x{position:016x}", f"0x{offset:016x}")
            position += length
        if position != self.offset:
            raise self.error("DIRECTORY's groups do not reach it", f"0x{self.offset:016x}", f"0x{position:016x}")
        told = sum(self._column(8, "I"))
        if told != self.records:
            raise self.error("DIRECTORY's count of records is wrong", told, self.records)
        if any(self._column(12, "I")):
            raise self.error("DIRECTORY's reserved column is not zero")
        if blake3.blake3(self._digests()).digest() != self.image_digest:
            raise self.error("the image digest does not match the groups' digests")

    def _column(self, octets_before: int, code: str) -> Iterator[int]:
        """One column, found by how many octets of a row stand in the columns before it; unpacked piece by piece."""
        start, size = HEAD.size + octets_before * self.rows, struct.calcsize(f"<{code}")
        for first in range(0, self.rows, ROWS):
            count = min(ROWS, self.rows - first)
            yield from struct.unpack_from(f"<{count}{code}", self._body, start + first * size)

    def _digests(self) -> memoryview:
        start = HEAD.size + (ROW_SIZE - DIGEST_SIZE) * self.rows
        return self._body[start : start + DIGEST_SIZE * self.rows]

    def __len__(self) -> int:
        return self.rows

    def _made(self, place: int) -> Group:
        cells = [(HEAD.size + before * self.rows + place * struct.calcsize(code), code) for before, code in COLUMNS]
        type_, instance, records, offset, length = (
            struct.unpack_from(f"<{code}", self._body, at)[0] for at, code in cells
        )
        digest = bytes(self._digests()[place * DIGEST_SIZE : (place + 1) * DIGEST_SIZE])
        return Group(type_, instance, records, offset, length, digest)

    def __iter__(self) -> Iterator[Group]:
        digests = self._digests()
        columns = zip(*(self._column(before, code) for before, code in COLUMNS), strict=True)
        for row, (type_, instance, records, offset, length) in enumerate(columns):
            digest = bytes(digests[row * DIGEST_SIZE : (row + 1) * DIGEST_SIZE])
            yield Group(type_, instance, records, offset, length, digest)


def find(read: Callable[[int, int], bytes], size: int) -> Directory | None:
    """The DIRECTORY of an image of ``size`` octets read at random, or None where its end shows none.

    Raises StreamError where there is one and it, or END behind it, is damaged.
    """
    tail_size = 16 + len(END_RECORD)
    tail = read(max(0, size - tail_size), tail_size)
    if len(tail) < tail_size or tail[8:16] != MAGIC:
        return None
    offset = int.from_bytes(tail[:8], "little")
    end = size - len(END_RECORD)
    if tail[16:] != END_RECORD:
        raise StreamError("END is damaged", offset=end, record="END[0]", expected="sixteen zero octets")
    length = end - offset - HEADER.size
    if not 0 <= length <= limit(offset):
        raise StreamError("DIRECTORY's offset cannot be right", offset=end - 16, record=RECORD, got=f"0x{offset:016x}")
    header, wanted = read(offset, HEADER.size), pack_header(WIRE_TYPE, 0, length)
    if header != wanted:
        raise StreamError(
            "DIRECTORY's header is damaged",
            offset=offset,
            record=RECORD,
            expected=wanted.hex(" ", 4),
            got=header.hex(" ", 4),
        )
    return Directory(read(offset + HEADER.size, length), offset)


def limit(offset: int) -> int:
    """The largest body that a DIRECTORY at ``offset`` may have.

    Two groups that follow each other and are of one type are larger than GROUP_LIMIT together; records of other types
    may alternate ``ALTERNATIONS`` times.
    """
    rows = min(offset // HEADER.size, 2 * offset // GROUP_LIMIT + ALTERNATIONS)
    return HEAD.size + TAIL.size + rows * ROW_SIZE


def compare(found: Directory, groups: Sequence[Group], names: Mapping[int, str]) -> None:
    """Hold the groups that a reader gathered against the DIRECTORY's; their digests where the reader made any.

    Raises StreamError, naming the first record of the first group that differs.
    """
    for wanted, group in zip_longest(found, groups):
        if wanted is None or group is None or wanted[:5] != group[:5]:
            message = "DIRECTORY tells other records than the stream has"
        elif group.digest and wanted.digest != group.digest:
            message = "the digest is wrong: the record is damaged"
        else:
            continue
        culprit = group or wanted
        code = culprit.type & ~OPTIONAL
        raise StreamError(
            message,
            offset=culprit.offset,
            record=record_name(names.get(code, culprit.type), culprit.instance),
            expected=_told(wanted),
            got=_told(group),
        )


def _told(group: Group | None) -> str:
    if group is None:
        return "nothing"
    return f"{group.records} of type 0x{group.type:08x}, 0x{group.length:x} octets, digest {group.digest.hex()[:16]}"
