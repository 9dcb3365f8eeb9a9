"""The verifying road: digests first, then every record and frame decoded; of foreign files what no check covers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from domctx.api import Coverage, Domain, Format, Images, Machine, Source
from domctx.context import HandlerContext, Operation
from domctx.errors import DomctxError, PluginError
from domctx.handlers import guard
from domctx.image import Image
from domctx.load import Walk, call_load
from domctx.manifest import Manifest
from domctx.records import StreamRun
from domctx.registry import BoundType, Registry
from domctx.save import save
from domctx.sinks import CountingSink
from domctx.sources import RangeSource
from domctx.wire import Header, record_name


@attrs.frozen
class Report:
    """What a verification found: nothing in ``problems`` means that the file is good."""

    problems: tuple[DomctxError, ...]
    coverage: tuple[Coverage, ...]
    records: int = 0
    octets: int = 0


class Checker:
    """A Receiver that decodes every record and keeps nothing."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.manifest: Manifest | None = None
        self.context: HandlerContext | None = None

    def prepare(self, manifest: Manifest | None) -> None:
        """Take the description."""
        self.manifest = manifest
        machine = manifest.machine if manifest else Machine("", "")
        self.context = HandlerContext(self.operation, machine, lambda key: None)

    def run(self, bound: BoundType, run: StreamRun) -> None:
        """Decode one run: by the type's own check, or by loading it into a state that is thrown away."""
        assert self.context is not None  # prepare comes first
        context, check = self.context.of(bound.type), bound.type.check
        if check is not None and not bound.loading.nest.transforms:
            guard(lambda: check(run, context), bound.suspects)
        else:
            state = guard(lambda: bound.type.new_state(context.machine), bound.suspects)
            call_load(bound, self.manifest, state, run, self.context)

    def skip(self, header: Header, offset: int) -> None:
        """Say that nothing but its digest tells whether an unknown record is good."""
        self.operation.note(f"{record_name(header.type, header.instance)} is optional and unknown: digest only")


def verify_image(image: Image, registry: Registry, operation: Operation) -> Report:
    """Verify one of our images, or a plain v10 image: digests, framing, and every body."""
    problems: tuple[DomctxError, ...] = tuple(image.check_digests(operation.pool))
    covered = "BLAKE3 digests" if image.images is Images.DOMCTX else ""
    return Report(
        problems=problems or tuple(_decode(image, registry, operation)),
        coverage=(Coverage("bodies, headers and padding", covered), Coverage("framing", "START, END, lengths")),
        records=sum(group.records for group in image.groups),
        octets=image.file.size,
    )


def verify_stream(source: Source, registry: Registry, operation: Operation) -> Report:
    """Verify an image that comes through a pipe: everything in one pass, nothing kept."""
    walk = Walk(source, registry, operation)
    problems: tuple[DomctxError, ...] = ()
    try:
        walk.into(Checker(operation))
    except PluginError:
        raise
    except DomctxError as error:
        problems = (error.at(file=source.name),)
    covered = "BLAKE3 digests" if walk.manifest else ""
    return Report(
        problems=problems,
        coverage=(Coverage("bodies, headers and padding", covered), Coverage("framing", "START, END, lengths")),
        octets=walk.reader.offset,
    )


def _decode(image: Image, registry: Registry, operation: Operation) -> Iterator[DomctxError]:
    source = RangeSource(image.file, 0, image.file.size)
    try:
        Walk(source, registry, operation, digests=False).into(Checker(operation))
    except PluginError:
        raise
    except DomctxError as error:
        yield error.at(file=image.file.name)


def verify_foreign(domain: Domain, format: Format, registry: Registry, operation: Operation) -> Report:
    """Verify a foreign file: every state read as a save reads it; the format says which check covers what."""
    sink = CountingSink()
    problems: Sequence[DomctxError] = ()
    coverage: Sequence[Coverage] = ()
    try:
        save(domain, sink, registry, operation)
        coverage = tuple(format.coverage(domain)) if format.coverage else (Coverage("the whole file"),)
    except PluginError:
        raise
    except DomctxError as error:
        problems = (error.at(file=domain.location),)
    return Report(problems=tuple(problems), coverage=tuple(coverage), octets=sink.count)
