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
from typing import Final, NamedTuple, Protocol

import blake3

from domctx.api import Buffer
from domctx.errors import StreamError, UnsupportedError
from domctx.wire import END_RECORD, HEADER, OPTIONAL, TYPE_DIRECTORY, pack_header, record_name, unpack_header

VERSION: Final = 1
BLAKE3: Final = 1
GROUP_LIMIT: Final = 64 << 10
"""Octets, headers and padding included, up to which consecutive records of one type share a digest."""
DIGEST_SIZE: Final = 32
MAGIC: Final = b"DCTXDIR\x01"
HEAD: Final = struct.Struct("<IIQQ32s")
TAIL: Final = struct.Struct(f"<{DIGEST_SIZE}sQ8s")
ROW_SIZE: Final = 4 + 4 + 4 + 4 + 8 + 8 + DIGEST_SIZE
WIRE_TYPE: Final = TYPE_DIRECTORY | OPTIONAL
RECORD: Final = "DIRECTORY[0]"


class Group(NamedTuple):
    """Consecutive records of one type (with bit 31 as in the stream) that share a digest."""

    type: int
    instance: int
    """The instance of the first record."""
    records: int
    offset: int
    length: int
    """Octets from the first header to the end of the last padding."""
    digest: bytes


class Observer(Protocol):
    """What the stream tells while records pass, on both sides."""

    def record(self, type: int, instance: int, offset: int, size: int) -> None:
        """A record of ``size`` octets, padding included, begins at ``offset``."""

    def octets(self, data: Buffer) -> None:
        """The next octets of the record."""

    def batch(self, type: int, instance: int, count: int, offset: int, size: int, data: Buffer) -> None:
        """``count`` whole records of ``size`` octets each at once, the first of them ``instance``."""


class GroupDigests:
    """An Observer that gathers records into groups and digests them."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.records = 0
        self._open: Group | None = None
        self._hasher = blake3.blake3()

    def record(self, type: int, instance: int, offset: int, size: int) -> None:
        """Begin a record: it joins the open group, or closes it and opens its own."""
        self.records += 1
        group = self._open
        if group is not None and group.type == type and group.length + size <= GROUP_LIMIT:
            self._open = group._replace(records=group.records + 1, length=group.length + size)
            return
        self._close_group()
        self._open = Group(type, instance, 1, offset, size, b"")

    def octets(self, data: Buffer) -> None:
        """Digest the next octets of the open group."""
        self._hasher.update(data)

    def batch(self, type: int, instance: int, count: int, offset: int, size: int, data: Buffer) -> None:
        """As ``record`` and ``octets`` for each record; only the first of a group tells its instance."""
        view = memoryview(data).cast("B")
        first = 0
        while first < count:
            start = first * size
            number = int.from_bytes(view[start + 4 : start + 8], "little")
            self.record(type, instance if first == 0 else number, offset + start, size)
            more = self._room(size, count - first - 1)
            self.records += more
            self._open = self._open and self._open._replace(
                records=self._open.records + more, length=self._open.length + more * size
            )
            self.octets(view[start : start + (1 + more) * size])
            first += 1 + more

    def _room(self, size: int, wanted: int) -> int:
        """How many more records of ``size`` octets the open group takes."""
        return min(wanted, max(0, GROUP_LIMIT - self._open.length) // size) if self._open else 0

    def finish(self) -> list[Group]:
        """Close the last group and give them all."""
        self._close_group()
        return self.groups

    def _close_group(self) -> None:
        if self._open is not None:
            self.groups.append(self._open._replace(digest=self._hasher.digest()))
            self._open = None
            self._hasher.reset()


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


class Directory:
    """A decoded DIRECTORY. Columns stay packed; ``groups`` makes rows of them on demand."""

    def __init__(self, body: Buffer, offset: int) -> None:
        """Decode and check the body of the DIRECTORY at ``offset``.

        Raises StreamError where its own digest, its sizes, its image digest or the run of its groups is wrong, and
        UnsupportedError for a version or digest that is not known.
        """
        self.offset = offset
        self._body = memoryview(body).cast("B")
        self.count, self.records, self.image_digest = self._check_frame()
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
        if len(body) != HEAD.size + TAIL.size + count * ROW_SIZE:
            raise self.error("DIRECTORY has the wrong length for its groups", count * ROW_SIZE, len(body))
        return count, records, image

    def _check_groups(self) -> None:
        position = 0
        for offset, length in zip(self._column(16, "Q"), self._column(24, "Q"), strict=True):
            if offset != position or length == 0:
                raise self.error("DIRECTORY's groups leave a gap", f"0x{position:016x}", f"0x{offset:016x}")
            position += length
        if position != self.offset:
            raise self.error("DIRECTORY's groups do not reach it", f"0x{self.offset:016x}", f"0x{position:016x}")
        if sum(self._column(8, "I")) != self.records:
            raise self.error("DIRECTORY's count of records is wrong", sum(self._column(8, "I")), self.records)
        if any(self._column(12, "I")):
            raise self.error("DIRECTORY's reserved column is not zero")
        if blake3.blake3(self._digests()).digest() != self.image_digest:
            raise self.error("the image digest does not match the groups' digests")

    def _column(self, octets_before: int, code: str) -> tuple[int, ...]:
        """One column, found by how many octets of a row stand in the columns before it."""
        return struct.unpack_from(f"<{self.count}{code}", self._body, HEAD.size + octets_before * self.count)

    def _digests(self) -> memoryview:
        start = HEAD.size + (ROW_SIZE - DIGEST_SIZE) * self.count
        return self._body[start : start + DIGEST_SIZE * self.count]

    def groups(self) -> Iterator[Group]:
        """The groups in the order of the stream."""
        digests = self._digests()
        columns = zip(
            self._column(0, "I"),
            self._column(4, "I"),
            self._column(8, "I"),
            self._column(16, "Q"),
            self._column(24, "Q"),
            strict=True,
        )
        for index, (type_, instance, records, offset, length) in enumerate(columns):
            digest = bytes(digests[index * DIGEST_SIZE : (index + 1) * DIGEST_SIZE])
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
    if offset + HEADER.size > end:
        raise StreamError("DIRECTORY's offset lies outside the file", offset=end - 16, record=RECORD)
    octets = read(offset, end - offset)
    header = unpack_header(octets[: HEADER.size])
    if header != (WIRE_TYPE, 0, end - offset - HEADER.size):
        raise StreamError(
            "DIRECTORY's header is damaged",
            offset=offset,
            record=RECORD,
            expected=pack_header(WIRE_TYPE, 0, end - offset - HEADER.size).hex(" ", 4),
            got=bytes(octets[: HEADER.size]).hex(" ", 4),
        )
    return Directory(memoryview(octets)[HEADER.size :], offset)


def limit(offset: int) -> int:
    """The largest body that a DIRECTORY at ``offset`` may have: a row for each record, none of which is empty."""
    return HEAD.size + TAIL.size + offset // HEADER.size * ROW_SIZE


def compare(found: Directory, groups: Sequence[Group], records: int, names: Mapping[int, str]) -> None:
    """Hold the groups that a reader digested against the DIRECTORY's.

    Raises StreamError, naming the first record of the first group that differs.
    """
    for wanted, group in zip_longest(found.groups(), groups):
        if wanted != group:
            culprit = group or wanted
            code = culprit.type & ~OPTIONAL
            raise StreamError(
                "the digest is wrong: the record is damaged"
                if wanted and group and wanted[:5] == group[:5]
                else "DIRECTORY tells other records than the stream has",
                offset=culprit.offset,
                record=record_name(names.get(code, culprit.type), culprit.instance),
                expected=wanted and wanted.digest.hex()[:16],
                got=group and group.digest.hex()[:16],
            )
    if found.records != records:
        raise found.error("DIRECTORY's count of records is wrong", records, found.records)
