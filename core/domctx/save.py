"""The saving road: a domain's owned states, in ascending type code, as one stream of records."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from domctx import __version__, directory, manifest as manifests, options
from domctx.api import Buffer, Domain, Images, Sink
from domctx.context import HandlerContext, Operation, running
from domctx.errors import DomainError, DomctxError
from domctx.groups import GroupDigests
from domctx.handlers import guard
from domctx.manifest import Manifest, TypeUse
from domctx.records import TypeWriter
from domctx.registry import AttachedStates, BoundType, Registry
from domctx.sinks import CountingSink
from domctx.stream import StreamWriter
from domctx.wire import (
    START_BODY,
    TYPE_END,
    TYPE_MANIFEST,
    TYPE_START,
    XEN_VERSION,
    Header,
    record_name,
    record_size,
)


@attrs.frozen
class Planned:
    """One record type of a save, and the state that its handler gets."""

    bound: BoundType
    state: Any

    @property
    def code(self) -> int:
        """The type code, by which a save is ordered."""
        return self.bound.type.code


@attrs.frozen
class Carried:
    """A record of an optional type that nobody knows: copied verbatim from image to image."""

    header: Header
    use: TypeUse | None
    body: Callable[[], Iterator[Buffer]]

    @property
    def code(self) -> int:
        """The type code, by which a save is ordered."""
        return self.header.code

    def copy(self, stream: StreamWriter) -> None:
        """Write the record as it stands."""
        stream.begin(*self.header)
        for piece in self.body():
            stream.data(piece)
        stream.end()


def carried_by(domain: Domain) -> list[Carried]:
    """The records that an opened image carries along; none for any other domain."""
    carry = getattr(domain, "carried", None)
    return list(carry()) if carry is not None else []


@attrs.frozen
class Estimate:
    """What the records of one type take: octets, headers and padding included; an upper bound unless ``exact``."""

    record: str
    octets: int
    exact: bool
    sampled: int | None = None
    """What a sample says that they will take, where the bound is far from it."""


def plan(
    domain: Domain, registry: Registry, operation: Operation, *, images: Images, drop: Sequence[str] = ()
) -> list[Planned]:
    """The record types that save the domain's owned states, in ascending type code.

    Raises DomainError for an owned state that no record type saves, unless ``drop`` names it. A plain v10 image is
    asked for by name and holds Xen's records only: what it leaves out is noted.
    """
    attached = registry.attach(domain)
    by_state = registry.states(images)
    planned = []
    for key in [*domain.owned_states(), *attached.provided()]:
        if key.name in drop:
            operation.note(f"state {key.name!r} is dropped")
        elif key in by_state:
            planned.append(Planned(by_state[key], _required(attached, key)))
        elif images is Images.PLAIN:
            operation.note(f"a plain v10 image has no record for state {key.name!r}: it is left out")
        else:
            raise DomainError(
                f"no record type saves the domain's state {key.name!r}",
                hint=f"install the plugin that does, or leave it out with --drop {key.name}",
            )
    return sorted(planned, key=lambda item: item.bound.type.code)


def _required(attached: AttachedStates, key: Any) -> Any:
    state = attached.state(key)
    if state is None:
        raise DomainError(f"the domain lists state {key.name!r} as its own, but does not give it")
    return state


def save(
    domain: Domain,
    sink: Sink,
    registry: Registry,
    operation: Operation | None = None,
    *,
    images: Images = Images.DOMCTX,
    drop: Sequence[str] = (),
) -> None:
    """Save ``domain`` to ``sink`` while it is paused, and give it back in the run state in which it was found.

    Raises DomctxError; the sink then holds a stream without END, which no reader accepts.
    """
    registry.manager.refuse_broken()
    with running(operation) as operation:
        domain.pause()
        try:
            _save(domain, sink, registry, operation, images, drop)
        finally:
            domain.unpause()


def _save(
    domain: Domain, sink: Sink, registry: Registry, operation: Operation, images: Images, drop: Sequence[str]
) -> None:
    planned = plan(domain, registry, operation, images=images, drop=drop)
    context = context_for(domain, registry, planned, operation)
    digests = GroupDigests() if images is Images.DOMCTX else None
    stream = StreamWriter(sink, digests)
    _record(stream, TYPE_START, START_BODY.pack(*XEN_VERSION))
    if digests is not None:
        _record(stream, TYPE_MANIFEST, manifests.encode(describe(domain, planned)))
    items: list[Planned | Carried] = [*planned, *(carried_by(domain) if images is Images.DOMCTX else ())]
    for item in sorted(items, key=lambda item: item.code):
        if isinstance(item, Planned):
            write_type(stream, item, context)
        else:
            item.copy(stream)
    if digests is not None:
        groups = digests.finish()
        _record(stream, directory.WIRE_TYPE, directory.encode(groups, digests.records, stream.offset))
    _record(stream, TYPE_END, b"")


def context_for(
    domain: Domain, registry: Registry, planned: Sequence[Planned], operation: Operation, *, dry_run: bool = False
) -> HandlerContext:
    """The context of the planned types' save handlers."""
    declared = [option for item in planned for option in item.bound.type.options]
    values = options.select(operation.given, declared)
    state = registry.attach(domain).state
    return HandlerContext(operation, domain.machine, state, values=values, dry_run=dry_run)


def write_type(stream: StreamWriter, item: Planned, context: HandlerContext) -> None:
    """Call one type's save handler."""
    bound = item.bound
    writer = TypeWriter(stream, bound.type)
    try:
        guard(lambda: bound.saving.nest.handler(item.state, writer, context.of(bound.type)), bound.suspects)
        writer.finish()
    except DomctxError as error:
        raise error.at(record=record_name(bound.type.name)) from error.__cause__


def _record(stream: StreamWriter, type: int, body: bytes) -> None:
    stream.begin(type, 0, len(body))
    stream.data(body)
    stream.end()


def describe(domain: Domain, planned: Sequence[Planned]) -> Manifest:
    """The MANIFEST of a save."""
    now = datetime.datetime.now(datetime.UTC)
    return Manifest(
        machine=domain.machine,
        types=(*(use_of(item.bound) for item in planned), *_carried_uses(domain)),
        producer=f"domctx {__version__}",
        time=now.isoformat(timespec="seconds"),
    )


def _carried_uses(domain: Domain) -> list[TypeUse]:
    return list(dict.fromkeys(item.use for item in carried_by(domain) if item.use is not None))


def use_of(bound: BoundType) -> TypeUse:
    """MANIFEST's entry for a record type."""
    return TypeUse(
        code=bound.type.code,
        name=bound.type.name,
        distribution=bound.plugin.distribution,
        distribution_version=bound.plugin.version,
        version=bound.type.version,
        readable_since=bound.type.readable_since,
        transforms=bound.saving.nest.transforms,
    )


def dry_run(
    domain: Domain,
    registry: Registry,
    operation: Operation | None = None,
    *,
    images: Images = Images.DOMCTX,
    drop: Sequence[str] = (),
    sample: bool = False,
) -> list[Estimate]:
    """What a save would take, by record type, without doing its work: the same road into a counting sink."""
    registry.manager.refuse_broken()
    with running(operation) as operation:
        domain.pause()
        try:
            planned = plan(domain, registry, operation, images=images, drop=drop)
            context = context_for(domain, registry, planned, operation, dry_run=True)
            return [
                *_frame_estimates(domain, planned, images),
                *(estimate(item, context, sample=sample) for item in planned),
            ]
        finally:
            domain.unpause()


def estimate(item: Planned, context: HandlerContext, *, sample: bool = False) -> Estimate:
    """The size of one type's records: declared, or counted by its own save handler."""
    kind, own = item.bound.type, context.of(item.bound.type)
    suspects = item.bound.suspects
    transformed = item.bound.saving.nest.transforms
    exact_size, max_size, estimate_size = kind.exact_size, kind.max_size, kind.estimate_size
    if exact_size is not None and not transformed:
        return Estimate(kind.name, guard(lambda: exact_size(item.state, own), suspects), exact=True)
    if max_size is not None and not transformed:
        sampled = None
        if sample and estimate_size is not None:
            sampled = guard(lambda: estimate_size(item.state, own), suspects)
        return Estimate(kind.name, guard(lambda: max_size(item.state, own), suspects), exact=False, sampled=sampled)
    sink = CountingSink()
    write_type(StreamWriter(sink), item, context)
    return Estimate(kind.name, sink.count, exact=True)


def _frame_estimates(domain: Domain, planned: Sequence[Planned], images: Images) -> list[Estimate]:
    """START, MANIFEST and END; DIRECTORY is bounded by a row for each 4 MiB and one for each small type."""
    frame = [Estimate("START", record_size(START_BODY.size), exact=True)]
    if images is Images.DOMCTX:
        manifest = len(manifests.encode(describe(domain, planned)))
        memory = sum(block.size for block in domain.machine.blocks)
        rows = (memory >> 20) + 64 * (len(planned) + 2)
        frame.append(Estimate("MANIFEST", record_size(manifest), exact=True))
        bound = directory.HEAD.size + directory.TAIL.size + rows * directory.ROW_SIZE
        frame.append(Estimate("DIRECTORY", record_size(bound), exact=False))
    return [*frame, Estimate("END", record_size(0), exact=True)]
