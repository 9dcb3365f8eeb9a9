"""The showing road: records as JSON values, those of an image and those that would hold a domain's states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import attrs

from domctx.api import JSON, Buffer, Context, Domain, Images, Instances, Record, RecordRun
from domctx.context import HandlerContext, Operation, paused
from domctx.errors import StreamError, UsageError
from domctx.handlers import guard, nest
from domctx.image_domain import ImageDomain
from domctx.plan import Planned, plan
from domctx.records import Ledger, StreamRecord, StreamRun
from domctx.registry import BoundType, Registry
from domctx.save import context_for, write_type
from domctx.sources import BytesSource
from domctx.stream import StreamReader, StreamWriter
from domctx.values import frozen
from domctx.walk import unknown_type
from domctx.wire import HEADER, OPTIONAL, Header, record_name, record_size, unpack_header


@frozen
class Shown:
    """One record: where it stands, and its contents as a JSON value (None where nobody can read them).

    ``offset`` is None for a record that stands nowhere: it is made of a state to be shown.
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
        raise _absent(domain, wanted, instance, names.values())


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
    shown = _made(Planned(bound, state), HandlerContext(operation, domain.machine, attached.state))
    return _of_instance(shown, wanted, instance, domain)


def show_states(
    domain: Domain, registry: Registry, operation: Operation, wanted: str | None = None, instance: int | None = None
) -> list[Shown]:
    """The records that would hold the states of a domain that is no image, in ascending type code, or those of a type.

    They are made one by one while the domain is paused; none is kept. Raises UsageError where there is no such record,
    and DomctxError as ``save``.
    """
    chosen = _chosen(domain, registry, wanted)
    drop = [key.name for key in domain.owned_states() if chosen is not None and key != chosen.type.state]
    note = None if drop else operation.note  # nobody has to be told what was left out
    with Operation(operation.given, note=note) as own, paused(domain):
        planned = plan(domain, registry, own, images=Images.DOMCTX, drop=drop)
        context = context_for(domain, registry, planned, own)
        found = [row for item in planned if chosen in (None, item.bound) for row in _made(item, context)]
    return found if wanted is None else _of_instance(found, wanted, instance, domain)


def _chosen(domain: Domain, registry: Registry, wanted: str | None) -> BoundType | None:
    """The type of that name. Raises UsageError where the domain has no state of it."""
    if wanted is None:
        return None
    by_state = registry.states(Images.DOMCTX)
    owned = registry.attach(domain).owned()
    present = [by_state[key].type.name for key in owned if key in by_state]
    found = registry.named(wanted)
    if found is None or found.type.name not in present:
        raise _absent(domain, wanted, None, present)
    return found


def _of_instance(found: list[Shown], wanted: str, instance: int | None, domain: Domain) -> list[Shown]:
    """Those of an instance, all where none is named. Raises UsageError where there are none."""
    rows = [row for row in found if instance in (None, row.instance)]
    if not rows:
        raise _absent(domain, wanted, instance)
    return rows


def _absent(domain: Domain, wanted: str, instance: int | None, present: Iterable[str] | None = None) -> UsageError:
    """There is no such record; ``present`` are the types of those that there are, where that helps."""
    what = wanted if instance is None else f"{wanted}:{instance}"
    hint = None if present is None else f"the file has {', '.join(present) or 'none'}"
    return UsageError(f"there is no record {what}", file=domain.location, hint=hint)


def _made(item: Planned, context: HandlerContext) -> list[Shown]:
    """The records that the type's own save handler makes of a state; no transform among them."""
    sink = _ShowingSink(item.bound, context.of(item.bound.type))
    write_type(StreamWriter(sink), Planned(item.bound.without_transforms(), item.state), context)
    return sink.found


class _ShowingSink:
    """A sink that shows each record as soon as it is whole, and forgets it."""

    def __init__(self, bound: BoundType, context: HandlerContext) -> None:
        self._bound, self._context = bound, context
        self._octets = bytearray()
        self.found: list[Shown] = []

    def write(self, data: Buffer) -> None:
        """Take the next octets of the stream."""
        self._octets += memoryview(data)
        done = 0
        while len(self._octets) - done >= HEADER.size:
            end = done + record_size(unpack_header(self._octets[done : done + HEADER.size]).length)
            if end > len(self._octets):
                break
            self.found.append(self._shown(bytes(self._octets[done:end])))
            done = end
        del self._octets[:done]

    def close(self) -> None:
        """Nothing to flush."""

    def _shown(self, octets: bytes) -> Shown:
        kind = self._bound.type
        reader = StreamReader(BytesSource(octets), names={kind.code: kind.name})
        header = reader.begin()
        assert header is not None  # there are octets
        record = StreamRecord(reader, header, kind, kind.version)
        return Shown(
            kind.name, kind.code, header.instance, None, header.length, show_record(self._bound, record, self._context)
        )


def _owns(domain: Domain, bound: BoundType) -> bool:
    """Whether a domain has a state itself; opens nothing."""
    if isinstance(domain, ImageDomain):
        return domain.holds(bound)
    return bound.type.state in domain.owned_states()


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
    longest = domain.longest(bound)
    if header.length > longest:
        raise StreamError(
            "the body is over the type's largest",
            file=domain.location,
            offset=offset,
            record=record_name(bound.type.name, header.instance),
            expected=f"at most 0x{longest:016x}",
            got=f"0x{header.length:016x}",
        )
    reader = domain.image.reader(offset, record_size(header.length), {header.code: bound.type.name})
    transforms = domain.transforms(bound)
    if transforms:
        return _behind(domain, bound, reader, transforms)
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
    run = StreamRun(reader, bound.type, ledger, domain.version(bound), longest=domain.longest(bound))
    state = guard(lambda: bound.type.new_state(domain.machine), bound.suspects)
    guard(lambda: handler(state, run, domain.context(bound.type)), bound.suspects)
    guard(run.finish, bound.suspects)
    return next(iter(values), None)


def show_record(bound: BoundType, record: Record, context: HandlerContext) -> JSON:
    """One record as a JSON value: by the type's own ``show``, by its body's fields, or as octets."""
    custom = bound.type.show
    if custom is not None:
        return guard(lambda: custom(record, context), bound.suspects)
    if bound.layout is not None:
        from domctx.schema import to_json

        return guard(lambda: to_json(record.decode()), bound.suspects)
    return {"octets": bytes(record.rest()).hex()}
