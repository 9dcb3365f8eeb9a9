"""The showing road: an image's records as JSON values, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from domctx.api import JSON, Context, Domain, Instances, Record, RecordRun
from domctx.context import HandlerContext, Operation
from domctx.errors import StreamError, UsageError
from domctx.handlers import guard, nest
from domctx.image_domain import ImageDomain
from domctx.records import Ledger, StreamRecord, StreamRun, TypeWriter
from domctx.registry import BoundType, Registry
from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.stream import StreamReader, StreamWriter
from domctx.values import frozen
from domctx.walk import unknown_type
from domctx.wire import OPTIONAL, Header, record_name, record_size


@frozen
class Shown:
    """One record: where it stands, and its contents as a JSON value (None where nobody can read them).

    ``offset`` is None for a record that stands nowhere: its state is derived from others.
    """

    type: str
    code: int
    instance: int
    offset: int | None
    length: int
    value: JSON


def show(domain: ImageDomain, wanted: str | None = None, instance: int | None = None) -> Iterator[Shown]:
    """The records of an opened image, of one type and instance where they are given, in stream order.

    What is damaged is shown as far as it can be decoded, and noted. Raises UsageError where there is no such record.
    """
    found = False
    names = {code: _name(domain, code) for code in domain.image.codes()}
    for group in domain.image.groups:
        name = names.get(group.type & ~OPTIONAL)
        if name is None or (wanted is not None and name.lower() != wanted.lower()):
            continue
        shown = [item for item in domain.headers(group) if instance in (None, item[0].instance)]
        damage = domain.image.damage_of(group) if shown else None
        if damage is not None:
            domain.note(str(damage))
        for header, offset in shown:
            found = True
            yield _shown(domain, name, header, offset)
    if wanted is not None and not found:
        what = wanted if instance is None else f"{wanted}:{instance}"
        present = ", ".join(names.values()) or "none"
        raise UsageError(f"there is no record {what}", file=domain.location, hint=f"the file has {present}")


def show_derived(
    domain: Domain, registry: Registry, operation: Operation, wanted: str, instance: int | None = None
) -> list[Shown] | None:
    """The records that would hold a state that is derived from those that ``domain`` has.

    None where no such state is derived, or the domain has one of its own. Raises UsageError where there is no such
    instance, and what deriving the state raises.
    """
    bound, attached = registry.named(wanted), registry.attach(domain)
    state = attached.state(bound.type.state) if bound is not None and not _owns(domain, bound) else None
    if bound is None or state is None:
        return None
    context = HandlerContext(operation, domain.machine, attached.state).of(bound.type)
    shown = [row for row in _derived(bound, state, context) if instance in (None, row.instance)]
    if not shown:
        what = wanted if instance is None else f"{wanted}:{instance}"
        raise UsageError(f"there is no record {what}", file=domain.location)
    return shown


def _owns(domain: Domain, bound: BoundType) -> bool:
    """Whether a domain has a state itself; opens nothing."""
    if isinstance(domain, ImageDomain):
        return domain.holds(bound)
    return bound.type.state in domain.owned_states()


def _derived(bound: BoundType, state: Any, context: HandlerContext) -> Iterator[Shown]:
    """The records of a state, saved to memory as the type itself saves them."""
    sink, kind = BytesSink(), bound.type
    writer = TypeWriter(StreamWriter(sink), kind)
    guard(lambda: kind.save(state, writer, context), bound.suspects)
    reader = StreamReader(BytesSource(sink.octets), names={kind.code: kind.name})
    while (header := reader.begin()) is not None:
        record = StreamRecord(reader, header, kind, kind.version)
        value = show_record(bound, record, context)
        reader.end(ignore_data=True)
        yield Shown(kind.name, kind.code, header.instance, None, header.length, value)


def _name(domain: ImageDomain, code: int) -> str:
    """The name of a type: the registered one, MANIFEST's, or its number."""
    bound, manifest = domain.registry.types.get(code), domain.image.manifest
    use = manifest.use_of(code) if manifest else None
    return bound.type.name if bound else use.name if use else f"0x{code:08x}"


def _shown(domain: ImageDomain, name: str, header: Header, offset: int) -> Shown:
    bound = domain.registry.types.get(header.code)
    if bound is None:
        domain.note(str(unknown_type(header, offset, domain.image.manifest).hint))
    value = None if bound is None else _value(domain, bound, header, offset)
    return Shown(name, header.code, header.instance, offset, header.length, value)


def _value(domain: ImageDomain, bound: BoundType, header: Header, offset: int) -> JSON:
    if header.length > bound.type.max_body:
        raise StreamError(
            "the body is over the type's largest",
            file=domain.location,
            offset=offset,
            record=record_name(bound.type.name, header.instance),
            expected=f"at most 0x{bound.type.max_body:016x}",
            got=f"0x{header.length:016x}",
        )
    reader = domain.image.reader(offset, record_size(header.length), {header.code: bound.type.name})
    use = domain.image.manifest.use_of(header.code) if domain.image.manifest else None
    if use is not None and use.transforms:
        return _behind(domain, bound, reader, use.transforms)
    reader.begin()
    record = StreamRecord(reader, header, bound.type, domain.version(bound))
    return show_record(bound, record, domain.context(bound.type))


def _behind(domain: ImageDomain, bound: BoundType, reader: StreamReader, transforms: Sequence[str]) -> JSON:
    """The next record of ``reader`` as the type's load handler would see it, behind the image's transforms."""
    values: list[JSON] = []

    def collect(state: object, run: RecordRun, context: Context) -> None:
        for record in run:
            values.append(show_record(bound, record, domain.context(bound.type)))
            record.ignore_data()

    handler = nest(bound.type, collect, bound.loading.layers, transforms).handler
    ledger = Ledger(attrs.evolve(bound.type, instances=Instances.KEYED))  # the record alone, whatever its instance
    run = StreamRun(reader, bound.type, ledger, domain.version(bound))
    state = guard(lambda: bound.type.new_state(domain.machine), bound.suspects)
    guard(lambda: handler(state, run, domain.context(bound.type)), bound.suspects)
    run.finish()
    return next(iter(values), None)


def show_record(bound: BoundType, record: Record, context: HandlerContext) -> JSON:
    """One record as a JSON value: by the type's own ``show``, by its body's fields, or as octets."""
    custom = bound.type.show
    if custom is not None:
        return guard(lambda: custom(record, context), bound.suspects)
    if bound.type.layout is not None:
        from domctx.schema import to_json

        return to_json(record.decode())
    return {"octets": bytes(record.rest()).hex()}
