"""The saving road: a domain's owned states, in ascending type code, as one stream of records."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from operator import index

from domctx import __version__, directory, manifest as manifests, options
from domctx.api import Domain, Images, Sink
from domctx.context import HandlerContext, Operation, paused, running
from domctx.errors import DomctxError
from domctx.groups import GROUP_LIMIT, GroupDigests
from domctx.handlers import guard
from domctx.manifest import Manifest, TypeUse
from domctx.plan import Carried, Planned as Planned, carried_by, leave_carried, plan as plan
from domctx.records import TypeWriter
from domctx.registry import BoundType, Registry
from domctx.sinks import CountingSink
from domctx.stream import StreamWriter
from domctx.values import frozen
from domctx.wire import (
    START_BODY,
    TYPE_END,
    TYPE_MANIFEST,
    TYPE_START,
    XEN_VERSION,
    record_name,
    record_size,
)


@frozen
class Estimate:
    """What the records of one type take: octets, headers and padding included; an upper bound unless ``exact``."""

    record: str
    octets: int
    exact: bool
    sampled: int | None = None
    """What a sample says that they will take, where the bound is far from it."""
    groups: range = range(1, 2)
    """How many rows of DIRECTORY they take: the numbers that are possible."""
    known: bool = True
    """Whether anything is known: where not, ``octets`` is 0."""


Sizes = Callable[[bool], Sequence[Estimate]]
"""Gives what the records will take; from a sample too where it is called with True."""


def save(
    domain: Domain,
    sink: Sink,
    registry: Registry,
    operation: Operation | None = None,
    *,
    images: Images = Images.DOMCTX,
    drop: Sequence[str] = (),
    check: Callable[[Sizes], None] | None = None,
) -> None:
    """Save ``domain`` to ``sink`` while it is paused, and give it back in the run state in which it was found.

    ``check`` is called when the domain is paused and nothing is written yet: it may ask for the sizes that the records
    will take, and what it raises ends the save. Raises DomctxError; the sink then holds a stream without END, which no
    reader accepts.
    """
    registry.manager.refuse_broken()
    with running(operation) as operation, paused(domain):
        planned = _Plan.of(domain, registry, operation, images, drop)
        if check is not None:
            check(planned.estimates)
        _save(planned, sink)


def tell_saved(domain: Domain) -> None:
    """Tell a domain that waits for it (``Keeper``) that what was saved of it is safe; called last, outside ``save``."""
    saved: Callable[[], None] | None = getattr(domain, "saved", None)
    if saved is not None:
        saved()


@frozen
class _Plan:
    """What a save writes, found out once while the domain is paused."""

    domain: Domain
    registry: Registry
    operation: Operation
    images: Images
    planned: Sequence[Planned]
    carried: Sequence[Carried]

    @classmethod
    def of(cls, domain: Domain, registry: Registry, operation: Operation, images: Images, drop: Sequence[str]) -> _Plan:
        planned = plan(domain, registry, operation, images=images, drop=drop)
        return cls(domain, registry, operation, images, planned, _carried_to(images, domain, operation))

    @property
    def in_order(self) -> list[Planned | Carried]:
        """Everything in ascending type code."""
        return sorted([*self.planned, *self.carried], key=lambda item: item.code)

    def context(self, *, dry_run: bool = False) -> HandlerContext:
        """The context of the save handlers."""
        return context_for(self.domain, self.registry, self.planned, self.operation, dry_run=dry_run)

    def manifest(self) -> bytes:
        """The body of MANIFEST."""
        return manifests.encode(describe(self.domain, self.planned, self.carried))

    def estimates(self, sample: bool = False) -> list[Estimate]:
        """What the records will take, by type; see ``dry_run``."""
        context = self.context(dry_run=True)
        found = [Estimate("START", record_size(START_BODY.size), exact=True)]
        if self.images is Images.DOMCTX:
            found.append(Estimate("MANIFEST", record_size(len(self.manifest())), exact=True))
        for item in self.in_order:
            if isinstance(item, Carried):
                found.append(_carried(item))
            elif self.domain.one_pass:
                found.append(_bound(item, context))
            else:
                found.append(estimate(item, context, sample=sample))
        if self.images is Images.DOMCTX:
            found.append(_directory_size(found))
        return [*found, Estimate("END", record_size(0), exact=True)]


def _save(planned: _Plan, sink: Sink) -> None:
    context = planned.context()
    digests = GroupDigests() if planned.images is Images.DOMCTX else None
    stream = StreamWriter(sink, digests)
    _record(stream, TYPE_START, START_BODY.pack(*XEN_VERSION))
    if digests is not None:
        _record(stream, TYPE_MANIFEST, planned.manifest())
    for item in planned.in_order:
        if isinstance(item, Planned):
            write_type(stream, item, context)
        else:
            item.copy(stream)
    if digests is not None:
        groups = digests.finish()
        _record(stream, directory.WIRE_TYPE, directory.encode(groups, digests.records, stream.offset))
    _record(stream, TYPE_END, b"")


def _carried_to(images: Images, domain: Domain, operation: Operation) -> list[Carried]:
    """What is carried along to an image of this kind; what is not is noted."""
    if images is Images.DOMCTX:
        return carried_by(domain)
    leave_carried(domain, operation)
    return []


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
    saving = bound.saving.nest
    writer = TypeWriter(stream, bound.type, bound.saving.longest(saving.transforms))
    try:
        guard(lambda: saving.handler(item.state, writer, context.of(bound.type)), bound.suspects)
        guard(writer.finish, bound.suspects)
    except DomctxError as error:
        raise error.at(record=record_name(bound.type.name)) from error.__cause__


def _record(stream: StreamWriter, type: int, body: bytes) -> None:
    stream.begin(type, 0, len(body))
    stream.data(body)
    stream.end()


def describe(domain: Domain, planned: Sequence[Planned], carried: Sequence[Carried] = ()) -> Manifest:
    """The MANIFEST of a save."""
    now = datetime.datetime.now(datetime.UTC)
    return Manifest(
        machine=domain.machine,
        types=(*(use_of(item.bound) for item in planned), *dict.fromkeys(item.use for item in carried if item.use)),
        producer=f"domctx {__version__}",
        time=now.isoformat(timespec="seconds"),
    )


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
    """What a save would take, by record type, without doing its work: the same road into a counting sink.

    A domain that passes once is not even paused: only the bounds are told that its types declare.
    """
    registry.manager.refuse_broken()
    with running(operation) as operation:
        if domain.one_pass:
            return _Plan.of(domain, registry, operation, images, drop).estimates()
        with paused(domain):
            return _Plan.of(domain, registry, operation, images, drop).estimates(sample)


def _bound(item: Planned, context: HandlerContext) -> Estimate:
    """What can be told of a state that passes once: the bound that its type declares, else nothing."""
    kind, own = item.bound.type, context.of(item.bound.type)
    max_size = kind.max_size
    if max_size is None or item.bound.saving.nest.transforms:
        return Estimate(kind.name, 0, exact=False, groups=range(2), known=False)
    size = guard(lambda: index(max_size(item.state, own)), item.bound.suspects)
    return Estimate(kind.name, size, exact=False, groups=range(_groups(size).stop))


def estimate(item: Planned, context: HandlerContext, *, sample: bool = False) -> Estimate:
    """The size of one type's records: declared, or counted by its own save handler."""
    kind, own = item.bound.type, context.of(item.bound.type)
    suspects = item.bound.suspects
    transformed = item.bound.saving.nest.transforms
    exact_size, max_size, estimate_size = kind.exact_size, kind.max_size, kind.estimate_size
    if exact_size is not None and not transformed:
        size = guard(lambda: index(exact_size(item.state, own)), suspects)
        return Estimate(kind.name, size, exact=True, groups=_groups(size))
    if max_size is not None and not transformed:
        sampled = None
        if sample and estimate_size is not None:
            sampled = guard(lambda: index(estimate_size(item.state, own)), suspects)
        size = guard(lambda: index(max_size(item.state, own)), suspects)
        return Estimate(kind.name, size, exact=False, sampled=sampled, groups=range(_groups(size).stop))
    sink, groups = CountingSink(), GroupDigests(hashing=False)
    write_type(StreamWriter(sink, groups), item, context)
    count = len(groups.finish())
    exact = max_size is None  # a handler that declares a bound may write the bound when it is asked for sizes only
    return Estimate(kind.name, sink.count, exact=exact, groups=range(count if exact else 0, count + 1))


def _groups(octets: int) -> range:
    """How many groups so many octets of one type may make: two that follow each other pass GROUP_LIMIT together."""
    some = min(octets, 1)
    return range(some, 2 * (octets // GROUP_LIMIT) + some + 1)


def _carried(item: Carried) -> Estimate:
    return Estimate(item.name, record_size(item.header.length), exact=True, groups=range(2))


def _directory_size(found: Sequence[Estimate]) -> Estimate:
    fewest, most = sum(row.groups.start for row in found), sum(row.groups.stop - 1 for row in found)
    size = directory.HEAD.size + directory.TAIL.size + most * directory.ROW_SIZE
    return Estimate("DIRECTORY", record_size(size), exact=fewest == most)
