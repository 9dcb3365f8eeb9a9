"""An opened image is itself a Domain: every state over its records, read when it is asked for."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, TypeVar, cast

from domctx.api import Machine, RecordType, StateKey
from domctx.context import HandlerContext, Operation
from domctx.errors import DomctxError, StreamError
from domctx.groups import Group
from domctx.handlers import guard
from domctx.image import DIGEST_STEP, Image
from domctx.indexed import FileRecords
from domctx.load import call_load
from domctx.plan import Carried
from domctx.records import Ledger, StreamRun
from domctx.registry import BoundType, Registry
from domctx.requires import Requires
from domctx.stream import StreamReader
from domctx.walk import check_kind, check_types, is_known, may_skip, unknown_type
from domctx.wire import CORE_CODES, HEADER, OPTIONAL, Header, record_name, record_size, unpack_header

T = TypeVar("T")


class ImageDomain(Requires):
    """An opened image as a Domain: every state over its records, read when it is asked for."""

    scheme = "dctx"
    one_pass = False

    def __init__(self, image: Image, registry: Registry, operation: Operation | None = None) -> None:
        self.image = image
        self.registry = registry
        self.location = image.file.name
        self._operation = operation or Operation()
        self._states: dict[StateKey[Any], Any] = {}
        self._attached = registry.attach(self)
        if image.manifest is not None:
            try:
                check_types(image.manifest, registry)
            except DomctxError as error:
                raise error.at(file=self.location) from error.__cause__

    @property
    def machine(self) -> Machine:
        """MANIFEST's description; empty for a plain v10 image."""
        return self.image.manifest.machine if self.image.manifest else Machine("", "")

    def state(self, key: StateKey[T]) -> T | None:
        """The state over its records; None where the image holds none of them."""
        if key not in self._states:
            bound = self.registry.states(self.image.images).get(key)
            self._states[key] = self._open(bound) if bound is not None and self.holds(bound) else None
        return cast("T | None", self._states[key])

    def owned_states(self) -> list[StateKey[Any]]:
        """The states whose records the image holds.

        Raises UnsupportedError for a type that must be known, StreamError for one that stands in other images.
        """
        for group, header in self._unknown():
            if not may_skip(header, self.image.manifest):
                raise unknown_type(header, group.offset, self.image.manifest).at(file=self.location)
        for group in self.image.groups:
            bound = self.registry.types.get(group.type & ~OPTIONAL)
            if bound is not None:
                self._check_kind(bound, group)
        codes = self._codes()
        return [key for key, bound in self.registry.states(self.image.images).items() if bound.type.code in codes]

    def holds(self, bound: BoundType) -> bool:
        """Whether the image holds records of a type or, by its MANIFEST, would if there were any."""
        return bound.type.code in self._codes()

    def carried(self) -> Iterator[Carried]:
        """Each record of an optional type that nobody knows, to be copied from image to image."""
        for group, unknown in self._unknown():
            if may_skip(unknown, self.image.manifest):
                for header, offset in self.headers(group):
                    use = self.image.manifest.use_of(header.code) if self.image.manifest else None
                    yield Carried(header, offset, use, functools.partial(self._body, header, offset))

    def _check_kind(self, bound: BoundType, group: Group) -> None:
        try:
            check_kind(bound, self.image.manifest)
        except DomctxError as error:
            name = record_name(bound.type.name, group.instance)
            raise error.at(file=self.location, offset=group.offset, record=name) from None

    def _unknown(self) -> Iterator[tuple[Group, Header]]:
        """The groups of records of types that nobody knows, each with the type and instance of its first record."""
        for group in self.image.groups:
            header = Header(group.type, group.instance, 0)
            if not is_known(header, self.registry) and header.code not in CORE_CODES:
                yield group, header

    def _body(self, header: Header, offset: int) -> Iterator[bytes]:
        for start in range(0, header.length, DIGEST_STEP):
            yield self.image.file.read(offset + HEADER.size + start, min(DIGEST_STEP, header.length - start))

    def note(self, message: str) -> None:
        """Tell the user something, once."""
        self._operation.note(message)

    def pause(self) -> None:
        """An image stands still."""

    def unpause(self) -> None:
        """An image stands still."""

    def close(self) -> None:
        """Close the file."""
        self._operation.close()
        self.image.close()

    def _codes(self) -> set[int]:
        """Type codes that the image holds or, by its MANIFEST, would hold if there were any records."""
        listed = (use.code for use in self.image.manifest.types) if self.image.manifest else ()
        return {*self.image.codes(), *listed}

    def _open(self, bound: BoundType) -> Any:
        context = self.context(bound.type)
        view = bound.type.view
        if view is not None and not bound.loading.nest.transforms:
            return guard(lambda: view(self.records(bound), context), bound.suspects)
        for damage in self.image.check_digests(self._operation.pool, {bound.type.code}):
            raise damage
        state = guard(lambda: bound.type.new_state(self.machine), bound.suspects)
        ledger = Ledger(bound.type)
        for offset, length in self.image.runs(bound.type.code):
            reader = self.image.reader(offset, length, {bound.type.code: bound.type.name})
            run = StreamRun(reader, bound.type, ledger, self.version(bound), longest=self.longest(bound))
            try:
                call_load(bound, self.image.manifest, state, run, context)
                guard(run.finish, bound.suspects)
                self._check_end(reader, offset + length)
            except DomctxError as error:
                raise error.at(file=self.location, offset=reader.record_offset, record=reader.name) from error.__cause__
        return state

    def version(self, bound: BoundType) -> int:
        """The version of a type's bodies in the image."""
        use = self.image.manifest.use_of(bound.type.code) if self.image.manifest else None
        return use.version if use else 1

    def longest(self, bound: BoundType) -> int:
        """Octets of the longest body of a type that may stand in the image."""
        return bound.loading.longest(self.transforms(bound))

    def transforms(self, bound: BoundType) -> tuple[str, ...]:
        """The transforms that the image lists for a type."""
        manifest = self.image.manifest
        return manifest.transforms_of(bound.type.code) if manifest else ()

    def context(self, record_type: RecordType) -> HandlerContext:
        """The context in which the image's records of a type are read."""
        return HandlerContext(self._operation, self.machine, self._attached.state).of(record_type)

    def records(self, bound: BoundType) -> FileRecords:
        """The records of one type, in stream order, read at random."""
        groups = (group for group in self.image.groups if group.type & ~OPTIONAL == bound.type.code)
        places = (place for group in groups for place in self.headers(group))
        return FileRecords(self.image.file, bound.type, self.version(bound), places)

    def _check_end(self, reader: StreamReader, end: int) -> None:
        if reader.offset != end:
            raise StreamError("DIRECTORY tells other records than the file has", offset=reader.offset)

    def headers(self, group: Group) -> Iterator[tuple[Header, int]]:
        """The header and offset of each record of a group. Raises StreamError where they do not fill the group."""
        offset, end = group.offset, group.offset + group.length
        for left in reversed(range(group.records)):
            header = unpack_header(self.image.file.read(offset, HEADER.size).ljust(HEADER.size, b"\0"))
            after = offset + record_size(header.length)
            if header.type != group.type or after > end or (left == 0 and after != end):
                raise StreamError(
                    "DIRECTORY tells other records than the file has",
                    file=self.location,
                    offset=offset,
                    record=self.image.name_of(group),
                )
            yield header, offset
            offset = after
