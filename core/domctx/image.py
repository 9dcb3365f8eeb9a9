"""An image file opened for random access: its MANIFEST, and where its records stand. Needs no plugin."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import blake3

from domctx import directory, manifest as manifests
from domctx.disk import refused
from domctx.errors import DomctxError, StreamError
from domctx.files import RandomFile
from domctx.groups import Group
from domctx.manifest import Manifest
from domctx.sources import RangeSource
from domctx.wire import (
    CORE_CODES,
    END_RECORD,
    HEADER,
    OPTIONAL,
    START_BODY,
    TYPE_END,
    TYPE_MANIFEST,
    TYPE_START,
    Header,
    check_version,
    record_name,
    record_size,
    unpack_header,
    unpack_start,
)

if TYPE_CHECKING:
    from domctx.api import Images
    from domctx.pool import Pool
    from domctx.stream import StreamReader

DIGEST_STEP: Final = 4 << 20
"""Octets of a group that are read and digested at once."""


class Image:
    """A domain context image in a file: its MANIFEST, and where its records stand.

    An image of ours is found by its DIRECTORY and never walked; a plain v10 image has none and is walked by header.
    """

    def __init__(self, file: RandomFile, *, allow_newer: bool = False) -> None:
        """Read START, MANIFEST and DIRECTORY. Raises DomctxError naming the file where one of them is not right."""
        self.file = file
        self.allow_newer = allow_newer
        try:
            self.manifest = self._head()
            self.directory = directory.find(file.read, file.size) if self.manifest else None
            if self.manifest is not None and self.directory is None:
                raise StreamError(
                    "the image has a MANIFEST but no DIRECTORY: it is damaged or was cut",
                    offset=max(0, file.size - 2 * len(END_RECORD)),
                    record=directory.RECORD,
                )
            self.groups: Sequence[Group] = list(self._walk()) if self.directory is None else self.directory
        except DomctxError as error:
            file.close()
            raise error.at(file=file.name) from error.__cause__

    @property
    def images(self) -> Images:
        """Which kind of image it is."""
        from domctx.api import Images

        return Images.DOMCTX if self.manifest else Images.PLAIN

    @property
    def memory(self) -> int:
        """Octets of guest memory that MANIFEST tells of, towards which progress is counted; 0 without one."""
        return sum(block.size for block in self.manifest.machine.blocks) if self.manifest else 0

    def _record(self, offset: int, limit: int) -> tuple[Header, bytes]:
        """The header at ``offset`` and up to ``limit`` octets of its body. Raises StreamError where they are cut."""
        octets = self.file.read(offset, HEADER.size)
        if len(octets) < HEADER.size:
            wanted = "END[0]" if offset > record_size(START_BODY.size) else None
            raise StreamError("the file ends inside a record header", offset=offset, record=wanted, got=len(octets))
        header = unpack_header(octets)
        if offset == 0 and header != (TYPE_START, 0, START_BODY.size):
            raise StreamError("the file does not begin with START", record="START[0]", got=octets.hex(" "))
        end = offset + record_size(header.length)
        if end > self.file.size:
            raise StreamError(
                "the record reaches past the end of the file",
                offset=offset,
                record=record_name(CORE_CODES.get(header.code, header.type), header.instance),
                expected=f"at most 0x{self.file.size:016x}",
                got=f"0x{end:016x}",
            )
        return header, self.file.read(offset + HEADER.size, min(limit, header.length))

    def _head(self) -> Manifest | None:
        """START and MANIFEST; every refusal names the one that it is about."""
        offset = 0
        try:
            header, body = self._record(offset, START_BODY.size)
            check_version(unpack_start(body), allow_newer=self.allow_newer)
            offset = record_size(header.length)
            header, body = self._record(offset, manifests.LIMIT)
            if header.type != TYPE_MANIFEST:
                return None
            if header.length > manifests.LIMIT:
                got = f"0x{header.length:x}"
                raise StreamError("the body is too long", expected=f"at most 0x{manifests.LIMIT:x}", got=got)
            return manifests.decode(body, allow_newer=self.allow_newer)
        except DomctxError as error:
            name = "MANIFEST[0]" if offset else "START[0]"
            raise error.at(offset=offset, record=name) from error.__cause__

    def _walk(self) -> Iterator[Group]:
        """The records of a plain image but END as groups of one, without digests."""
        offset = 0
        while True:
            header, _ = self._record(offset, 0)
            if header.code == TYPE_END:
                break
            if offset and header.code in CORE_CODES:
                raise StreamError(
                    "a record of the core stands where it may not: the image is damaged",
                    offset=offset,
                    record=record_name(CORE_CODES[header.code], header.instance),
                )
            yield Group(header.type, header.instance, 1, offset, record_size(header.length), b"")
            offset += record_size(header.length)
        if header != (TYPE_END, 0, 0):
            raise StreamError("END is damaged", offset=offset, record="END[0]", expected=END_RECORD.hex(" ", 4))
        if offset + len(END_RECORD) != self.file.size:
            raise StreamError("octets stand after END", offset=offset + len(END_RECORD), record="END[0]")

    def codes(self) -> list[int]:
        """The type codes of the image's records in stream order, the core's own left out."""
        found = dict.fromkeys(group.type & ~OPTIONAL for group in self.groups)
        return [code for code in found if code not in CORE_CODES]

    def runs(self, code: int) -> Iterator[tuple[int, int]]:
        """(offset, length) of each stretch of the file that holds records of one type and nothing else."""
        start = end = -1
        for group in self.groups:
            if group.type & ~OPTIONAL != code:
                continue
            if group.offset != end:
                if start >= 0:
                    yield start, end - start
                start = group.offset
            end = group.offset + group.length
        if start >= 0:
            yield start, end - start

    def check_digests(
        self, pool: Pool, codes: Collection[int] | None = None, progress: Callable[[int], None] | None = None
    ) -> Iterator[StreamError]:
        """Digest the groups (of some types) on all cores; an error for each that is damaged.

        ``progress`` is told the octets of each.
        """
        chosen = [group for group in self.groups if codes is None or group.type & ~OPTIONAL in codes]
        for group, damage in zip(chosen, pool.map_ordered(self.damage_of, chosen), strict=True):
            if progress is not None:
                progress(group.length)
            if damage is not None:
                yield damage

    def damage_of(self, group: Group) -> StreamError | None:
        """The error that tells how a group differs from its digest, or None; a plain image has no digests."""
        digest = self._digest(group) if self.directory is not None else group.digest
        if digest == group.digest:
            return None
        return StreamError(
            "the digest is wrong: the record is damaged",
            file=self.file.name,
            offset=group.offset,
            record=self.name_of(group),
            expected=group.digest.hex()[:16],
            got=digest.hex()[:16],
        )

    def _digest(self, group: Group) -> bytes:
        """The digest of a group, as it is now in the file."""
        hasher = blake3.blake3()
        for start in range(0, group.length, DIGEST_STEP):
            hasher.update(self.file.read(group.offset + start, min(DIGEST_STEP, group.length - start)))
        return hasher.digest()

    def name_of(self, group: Group) -> str:
        """The first record of a group as messages name it, by MANIFEST's names."""
        code = group.type & ~OPTIONAL
        use = self.manifest.use_of(code) if self.manifest else None
        return record_name(use.name if use else CORE_CODES.get(code, group.type), group.instance)

    def reader(self, offset: int, length: int, names: dict[int, str] | None = None) -> StreamReader:
        """A reader over one stretch of the file; its offsets are the file's."""
        from domctx.stream import StreamReader

        return StreamReader(RangeSource(self.file, offset, length), names=names, offset=offset)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def open_image(path: str, *, allow_newer: bool = False) -> Image:
    """Open an image file. Raises DomctxError where it cannot be opened or is damaged."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise refused(error, path) from error
    return Image(RandomFile(descriptor, path), allow_newer=allow_newer)
