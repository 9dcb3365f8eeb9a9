"""Reading one image in order, and refusing all that the protocol does not allow; what records mean is a receiver's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

from domctx import directory, manifest as manifests
from domctx.api import Images, Source
from domctx.context import Operation
from domctx.errors import DomctxError, StreamError, UnsupportedError
from domctx.groups import GroupDigests
from domctx.handlers import guard
from domctx.manager import FILE
from domctx.manifest import Manifest
from domctx.records import Ledger, StreamRun
from domctx.registry import BoundType, Registry
from domctx.stream import StreamReader
from domctx.wire import (
    CORE_CODES,
    END_RECORD,
    TYPE_END,
    TYPE_MANIFEST,
    TYPE_START,
    Header,
    check_version,
    code_range,
    record_name,
    unpack_start,
)


class Receiver(Protocol):
    """What a walk over a stream tells: the description first, then each run, in stream order."""

    def prepare(self, manifest: Manifest | None) -> None:
        """MANIFEST was read; None for a plain v10 image. Comes once, before any run."""

    def run(self, bound: BoundType, run: StreamRun) -> None:
        """One run of records; read it to its end."""

    def skip(self, header: Header, offset: int) -> None:
        """An optional record of a type that nobody knows is passed over."""


class Walk:
    """Reads one image in order and checks all that the protocol fixes; what the records mean is the receiver's."""

    def __init__(self, source: Source, registry: Registry, operation: Operation, *, digests: bool = True) -> None:
        self._names = {**CORE_CODES, **{code: bound.type.name for code, bound in registry.types.items()}}
        self.registry = registry
        self.operation = operation
        self.groups = GroupDigests(hashing=digests)
        self.reader = StreamReader(source, self.groups, self._names)
        self.manifest: Manifest | None = None
        self.records = 0
        """How many records there are, DIRECTORY and END not counted; known when the walk is over."""
        self._ledgers: dict[int, Ledger] = {}
        self._unknown: set[tuple[int, int]] = set()
        self._closed = False
        self._ahead = (0, "")
        """Offset and name of the record that comes next, until it is begun."""

    def into(self, receiver: Receiver) -> None:
        """Walk the whole image. Raises DomctxError, with offset and record, for everything that is not right."""
        with self._located():
            self._start()
            self._manifest()
        receiver.prepare(self.manifest)
        with self._located():
            while self._step(receiver):
                pass
            self._end()

    @contextlib.contextmanager
    def _located(self) -> Iterator[None]:
        """Say where the record stands in an error that does not; not in one that a file of the target's gave."""
        try:
            yield
        except DomctxError as error:
            offset, record = max((self.reader.record_offset, self.reader.name), self._ahead)
            raise error.at(offset=offset if error.file is None else None, record=record) from error.__cause__

    def _begin(self, wanted: str) -> Header:
        header = self.reader.begin()
        if header is None:
            raise StreamError("the stream ends too early", offset=self.reader.offset, record=f"{wanted}[0]")
        return header

    def _body(self, header: Header, limit: int) -> bytes:
        if header.length > limit:
            raise StreamError("the body is too long", expected=f"at most 0x{limit:x}", got=f"0x{header.length:x}")
        body = bytes(self.reader.data(header.length))
        self.reader.end()
        return body

    def _start(self) -> None:
        header = self._begin("START")
        if (header.type, header.instance) != (TYPE_START, 0):
            raise StreamError(
                "the stream does not begin with START",
                record="START[0]",
                expected="type 0x00000001 instance 0x00000000",
                got=f"type 0x{header.type:08x} instance 0x{header.instance:08x}",
                hint="what is no image is read by `domctx convert`",
            )
        check_version(unpack_start(self._body(header, 8)), allow_newer=self.operation.allow_newer)

    def _manifest(self) -> None:
        header = self.reader.peek()
        if header is None or header.type != TYPE_MANIFEST:
            return
        self.reader.begin()
        if header.instance:
            raise StreamError("MANIFEST has instance 0 only", got=f"0x{header.instance:08x}")
        self.manifest = manifests.decode(self._body(header, manifests.LIMIT), allow_newer=self.operation.allow_newer)
        check_types(self.manifest, self.registry)

    def _step(self, receiver: Receiver) -> bool:
        """The next run, optional record, DIRECTORY or END; False after END."""
        header = self.reader.peek()
        if header is None:
            raise StreamError("the stream ends without END", offset=self.reader.offset, record="END[0]")
        if header.code == TYPE_END:
            return False
        self._ahead = (self.reader.offset, record_name(self._names.get(header.code, header.type), header.instance))
        if self._closed:
            raise StreamError("a record stands between DIRECTORY and END")
        if header.type == directory.WIRE_TYPE:
            self._directory()
        elif header.code in CORE_CODES:
            raise StreamError("a record of the core stands where it may not")
        elif is_known(header, self.registry):
            self._run(receiver, self.registry.types[header.code])
        else:
            self._skip(receiver, header)
        return True

    def _run(self, receiver: Receiver, bound: BoundType) -> None:
        code = bound.type.code
        ledger = self._ledgers.setdefault(code, Ledger(bound.type))
        use = self.manifest.use_of(code) if self.manifest else None
        if self.manifest is not None and use is None:
            raise StreamError("MANIFEST does not list the type")
        check_kind(bound, self.manifest)
        longest = bound.loading.longest(use.transforms if use else ())
        run = StreamRun(self.reader, bound.type, ledger, use.version if use else 1, longest=longest)
        receiver.run(bound, run)
        guard(run.finish, bound.suspects)

    def _skip(self, receiver: Receiver, header: Header) -> None:
        if not may_skip(header, self.manifest):
            raise unknown_type(header, self.reader.offset, self.manifest)
        offset = self.reader.offset
        if (header.code, header.instance) in self._unknown:
            raise StreamError("this instance stands in the image twice")
        self._unknown.add((header.code, header.instance))
        self.reader.begin()
        self.reader.end(ignore_data=True)
        receiver.skip(header, offset)

    def _directory(self) -> None:
        groups, self.records = self.groups.finish(), self.groups.records
        if self.manifest is None:
            raise StreamError("DIRECTORY stands in an image without MANIFEST")
        header = self._begin("DIRECTORY")
        offset = self.reader.record_offset
        body = self._body(header, directory.limit(offset))
        if header.instance:
            raise StreamError("DIRECTORY has instance 0 only", got=f"0x{header.instance:08x}")
        directory.compare(directory.Directory(body, offset), groups, self._names)
        self._closed = True

    def _end(self) -> None:
        if self.manifest is None:
            self.records = self.groups.records
        header = self._begin("END")
        if header != (TYPE_END, 0, 0):
            raise StreamError(
                "END is damaged",
                record="END[0]",
                expected=END_RECORD.hex(" ", 4),
                got=f"type 0x{header.type:08x} instance 0x{header.instance:08x} length 0x{header.length:016x}",
            )
        self.reader.end()
        if self.manifest is not None and not self._closed:
            raise StreamError("the image has a MANIFEST but no DIRECTORY: it is damaged", record="DIRECTORY[0]")
        if self.reader.peek_octet():
            raise StreamError("octets stand after END", offset=self.reader.offset, record="END[0]")


def is_known(header: Header, registry: Registry) -> bool:
    """Whether a plugin has the type; in Xen's own range there is no bit 31."""
    return header.code in registry.types and not (header.optional and code_range(header.code).owner == "xen")


def may_skip(header: Header, manifest: Manifest | None) -> bool:
    """Whether a record of an unknown type may be skipped: never in Xen's own range, nor in a plain v10 image."""
    return header.optional and manifest is not None and code_range(header.code).owner != "xen"


def check_kind(bound: BoundType, manifest: Manifest | None) -> None:
    """Raise StreamError for a record that does not stand in this kind of image: one state has one record in each."""
    kind = Images.DOMCTX if manifest else Images.PLAIN
    if not bound.type.images & kind:
        raise StreamError(
            "the type stands in no plain v10 image" if manifest is None else "the type stands in plain v10 images only"
        )


def unknown_type(header: Header, offset: int, manifest: Manifest | None) -> UnsupportedError:
    """The refusal of a record whose type nobody knows; names the distribution that the MANIFEST says can read it."""
    use = manifest.use_of(header.code) if manifest else None
    hint = "no plugin that is installed and enabled knows the type"
    if use is not None:
        wrote = f"{use.distribution} {use.distribution_version}"
        hint = f"{use.name} can be read by the distribution {wrote}: install it, or enable it"
        if use.distribution == FILE:
            hint = f"{use.name} was written by a one-file plugin: name it, domctx --plugin FILE ..."
    return UnsupportedError(
        "unknown record type", offset=offset, record=record_name(header.type, header.instance), hint=hint
    )


def check_types(manifest: Manifest, registry: Registry) -> None:
    """Hold MANIFEST's record types against ours.

    Raises UnsupportedError for one whose name is not the registered one, whose bodies need a newer reader or an older
    one, or whose transforms are not installed. A type that nobody knows is refused where its first record stands.
    """
    for use in manifest.types:
        bound = registry.types.get(use.code)
        if bound is None:
            continue
        if bound.type.name != use.name:
            raise UnsupportedError(
                f"type code 0x{use.code:08x} has two names",
                expected=f"{bound.type.name} (of {bound.plugin.name})",
                got=f"{use.name} (of {use.distribution})",
            )
        if use.readable_since > bound.type.version:
            raise UnsupportedError(
                f"{use.name} needs a newer reader",
                expected=f"readable since version {bound.type.version} or older",
                got=use.readable_since,
                hint=f"update {use.distribution}: {use.distribution_version} wrote it",
            )
        if use.version < bound.type.oldest:
            raise UnsupportedError(
                f"{use.name} is of a version that is no longer read",
                expected=f"version {bound.type.oldest} or newer",
                got=use.version,
                hint=f"read it with {use.distribution} {use.distribution_version} or older, which wrote it",
            )
        missing = set(use.transforms) - set(bound.loading.nest.transforms)
        if missing:
            raise UnsupportedError(
                f"{use.name} was transformed by {', '.join(sorted(missing))}, which is not installed or not enabled",
                hint="install and enable the plugin that wrote the image",
            )
