"""The verifying road: digests first, then every record and frame decoded; of foreign files what no check covers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domctx.api import Coverage, Domain, Format, Images, Machine, Source, StateKey
from domctx.context import HandlerContext, Operation
from domctx.errors import DomainError, DomctxError, PluginError, UsageError
from domctx.handlers import guard
from domctx.image import Image
from domctx.image_domain import ImageDomain
from domctx.load import call_load
from domctx.manifest import Manifest
from domctx.records import StreamRun
from domctx.registry import BoundType, Registry
from domctx.save import save
from domctx.sinks import CountingSink
from domctx.sources import RangeSource
from domctx.values import frozen
from domctx.walk import Walk
from domctx.wire import Header, record_name


@frozen
class Report:
    """What a verification found: nothing in ``problems`` means that the file is good."""

    problems: tuple[DomctxError, ...]
    coverage: tuple[Coverage, ...]
    records: int = 0
    octets: int = 0


class Checker:
    """A Receiver that decodes every record and keeps no more than the states that handlers fill."""

    def __init__(self, registry: Registry, operation: Operation) -> None:
        self.registry = registry
        self.operation = operation
        self.manifest: Manifest | None = None
        self.machine = Machine("", "")
        self._states: dict[StateKey[Any], Any] = {}
        self._types: dict[StateKey[Any], BoundType] = {}

    def prepare(self, manifest: Manifest | None) -> None:
        """Take the description."""
        self.manifest = manifest
        self._types = self.registry.states(Images.DOMCTX if manifest else Images.PLAIN)
        if manifest is not None:
            self.machine = manifest.machine

    def state(self, key: StateKey[Any]) -> Any | None:
        """The state in memory that the image's records fill; None where no type has it.

        It stays empty where the type has a ``check`` of its own.
        """
        bound = self._types.get(key)
        if bound is not None and key not in self._states:
            self._states[key] = guard(lambda: bound.type.new_state(self.machine), bound.suspects)
        return self._states.get(key)

    def run(self, bound: BoundType, run: StreamRun) -> None:
        """Decode one run: by the type's own check, or by loading it into a state in memory."""
        context = HandlerContext(self.operation, self.machine, self.state)
        check = bound.type.check
        if check is not None and not bound.loading.nest.transforms:
            guard(lambda: check(run, context.of(bound.type)), bound.suspects)
        else:
            call_load(bound, self.manifest, self.state(bound.type.state), run, context)

    def skip(self, header: Header, offset: int) -> None:
        """Say that nothing but its digest tells whether an unknown record is good."""
        self.operation.note(f"{record_name(header.type, header.instance)} is optional and unknown: digest only")


def check_image(image: Image, registry: Registry, operation: Operation) -> None:
    """What is asked of a file before a target is touched: digests and known types; a plain image is decoded whole.

    Raises the first DomctxError.
    """
    for damage in image.check_digests(operation.pool):
        raise damage
    ImageDomain(image, registry, operation).owned_states()
    if image.images is Images.PLAIN:
        for problem in _decode(image, registry, operation):
            raise problem


def verify_image(image: Image, registry: Registry, operation: Operation) -> Report:
    """Verify one of our images, or a plain v10 image: digests, framing, and every body."""
    problems: tuple[DomctxError, ...] = tuple(image.check_digests(operation.pool))
    return Report(
        problems=problems or tuple(_decode(image, registry, operation)),
        coverage=_coverage(digests=image.manifest is not None),
        records=sum(group.records for group in image.groups),
        octets=image.file.size,
    )


def verify_digests(image: Image, operation: Operation) -> Report:
    """Compare the digests of one of our images, which is all that a disk can do to it; no record is decoded.

    Raises UsageError for a plain v10 image: it has none.
    """
    if image.directory is None:
        raise UsageError("a plain v10 image has no digests", file=image.file.name, hint="verify decodes its records")
    return Report(
        problems=tuple(image.check_digests(operation.pool, progress=operation.progress)),
        coverage=(*_coverage(digests=True), Coverage("what records mean")),
        records=sum(group.records for group in image.groups),
        octets=image.file.size,
    )


def verify_stream(source: Source, registry: Registry, operation: Operation) -> Report:
    """Verify an image that comes through a pipe: everything in one pass, nothing kept."""
    walk = Walk(source, registry, operation)
    problems = tuple(_problems(walk, source.name, registry, operation))
    coverage = _coverage(digests=walk.manifest is not None)
    return Report(problems=problems, coverage=coverage, records=walk.records, octets=walk.reader.offset)


def _coverage(*, digests: bool) -> tuple[Coverage, ...]:
    covered = "BLAKE3 digests" if digests else ""
    return Coverage("bodies, headers and padding", covered), Coverage("framing", "START, END, lengths")


def _decode(image: Image, registry: Registry, operation: Operation) -> Iterator[DomctxError]:
    source = RangeSource(image.file, 0, image.file.size)
    return _problems(Walk(source, registry, operation, digests=False), image.file.name, registry, operation)


def _problems(walk: Walk, name: str, registry: Registry, operation: Operation) -> Iterator[DomctxError]:
    try:
        walk.into(Checker(registry, operation))
    except DomctxError as error:
        if _says_nothing(error):
            raise
        yield error.at(file=name)


def _says_nothing(error: DomctxError) -> bool:
    """Whether an error says nothing about what is in a file: a plugin is broken, or the system refuses."""
    refused = isinstance(error, DomainError) and isinstance(error.__cause__, (OSError, RuntimeError))
    return refused or isinstance(error, PluginError)


def verify_foreign(domain: Domain, format: Format, registry: Registry, operation: Operation) -> Report:
    """Verify a foreign file: every state read as a save reads it; the format says which check covers what."""
    sink = CountingSink()
    try:
        save(domain, sink, registry, operation)
    except DomctxError as error:
        if _says_nothing(error):
            raise
        return Report(problems=(error.at(file=domain.location),), coverage=(), octets=sink.count)
    covered = format.coverage
    if covered is None:
        return Report(problems=(), coverage=(Coverage("the whole file"),), octets=sink.count)
    coverage = guard(lambda: tuple(covered(domain)), registry.suspects(format))
    return Report(problems=(), coverage=coverage, octets=sink.count)
