"""The comparing road: two domains, state by state, in ascending type code; says which records, fields and pages."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile, zip_longest
from typing import Any

import attrs
import blake3

from domctx.api import Difference, Domain, Images, Machine, StateKey
from domctx.context import HandlerContext, Operation, paused, running
from domctx.handlers import guard, guard_each
from domctx.manifest import Manifest
from domctx.plan import Carried, Planned, carried_by, plan
from domctx.records import Ledger, StreamRun, decode_body
from domctx.registry import BoundType, Registry
from domctx.save import write_type
from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.stream import StreamReader, StreamWriter
from domctx.wire import record_name


def diff(a: Domain, b: Domain, registry: Registry, operation: Operation | None = None) -> Iterator[Difference]:
    """Every place in which the states of ``a`` and ``b`` differ.

    What only tells when, by whom or from which frames they were saved is told apart (``counted`` is False).
    """
    registry.manager.refuse_broken()
    with running(operation) as operation, paused(a), paused(b):
        yield from _diff(a, b, registry, operation)


def _diff(a: Domain, b: Domain, registry: Registry, operation: Operation) -> Iterator[Difference]:
    yield from _machines(a.machine, b.machine)
    yield from _manifests(a, b)
    sides = [_states(domain, registry, operation) for domain in (a, b)]
    codes = {key: item.code for side in sides for key, item in side.items()}
    for key in sorted(codes, key=codes.__getitem__):
        left, right = (side.get(key) for side in sides)
        present, domain = (left, a) if left is not None else (right, b)
        assert present is not None  # the state is one side's
        kind = present.bound.type
        context = HandlerContext(operation, domain.machine, registry.attach(domain).state).of(kind)
        if left is not None and right is not None:
            yield from _compare(left.bound, left.state, right.state, context)
        elif not _is_empty(present, context):
            a_has, b_has = ("present" if side else None for side in (left, right))
            yield Difference(kind.name, "", a_has, b_has, counted=kind.counted)
    yield from _compare_carried(*(_carried(domain) for domain in (a, b)))


def _states(domain: Domain, registry: Registry, operation: Operation) -> dict[StateKey[Any], Planned]:
    """What is compared of a domain, by state; a plain v10 image has Xen's records only."""
    images = getattr(getattr(domain, "image", None), "images", Images.DOMCTX)
    return {item.bound.type.state: item for item in plan(domain, registry, operation, images=images)}


def _carried(domain: Domain) -> dict[tuple[int, int], Carried]:
    return {(item.code, item.header.instance): item for item in carried_by(domain)}


def _machines(a: Machine, b: Machine) -> Iterator[Difference]:
    """Field by field; with which command a machine was started does not make it another."""
    left, right = attrs.asdict(a), attrs.asdict(b)
    for field, value in left.items():
        if value != right[field]:
            yield Difference("MANIFEST[0]", f"machine.{field}", value, right[field], counted=field != "command_line")


def _manifests(a: Domain, b: Domain) -> Iterator[Difference]:
    """When and by whom two images were saved: told, not counted."""
    manifests: list[Manifest | None] = [getattr(getattr(side, "image", None), "manifest", None) for side in (a, b)]
    left, right = manifests
    if left is not None and right is not None:
        for field in ("time", "producer"):
            values = getattr(left, field), getattr(right, field)
            if values[0] != values[1]:
                yield Difference("MANIFEST[0]", field, *values, counted=False)


def _is_empty(item: Planned, context: HandlerContext) -> bool:
    """Whether no record would hold anything of a state, by what its type tells: it is as good as none."""
    exact_size = item.bound.type.exact_size
    return exact_size is not None and not guard(lambda: exact_size(item.state, context), item.bound.suspects)


def _compare(bound: BoundType, a: Any, b: Any, context: HandlerContext) -> Iterator[Difference]:
    custom = bound.type.diff
    if custom is None:
        yield from _compare_records(bound, _bodies(bound, a, context), _bodies(bound, b, context))
    else:
        yield from guard_each(lambda: custom(a, b, context), bound.suspects)


def _bodies(bound: BoundType, state: Any, context: HandlerContext) -> dict[int, bytes]:
    """The bodies that the type's own save handler makes of a state, by instance; no transform among them."""
    sink = BytesSink()
    write_type(StreamWriter(sink), Planned(bound.without_transforms(), state), context)
    reader = StreamReader(BytesSource(sink.octets))
    run = StreamRun(reader, bound.type, Ledger(bound.type), bound.type.version)
    return {record.instance: bytes(record.rest()) for record in run}


def _compare_carried(a: dict[tuple[int, int], Carried], b: dict[tuple[int, int], Carried]) -> Iterator[Difference]:
    """Records of types that nobody knows: the same octets, or not."""
    for key in sorted({*a, *b}):
        left, right = a.get(key), b.get(key)
        present = left or right
        assert present is not None  # the record is one side's
        name = f"{present.name}[{key[1]}]"
        if left is None or right is None:
            yield Difference(name, "", "present" if left else None, "present" if right else None)
        elif any(one != other for one, other in zip_longest(left.body(), right.body())):
            yield Difference(name, "body", _told(left), _told(right))


def _told(item: Carried) -> str:
    hasher = blake3.blake3()
    for piece in item.body():
        hasher.update(piece)
    return f"{item.header.length} octets, BLAKE3 {hasher.hexdigest()[:16]}"


def _compare_records(bound: BoundType, a: dict[int, bytes], b: dict[int, bytes]) -> Iterator[Difference]:
    for instance in sorted({*a, *b}):
        name = record_name(bound.type.name, instance)
        if instance not in a or instance not in b:
            yield Difference(name, "", "present" if instance in a else None, "present" if instance in b else None)
        elif a[instance] != b[instance]:
            yield from _compare_bodies(bound, name, a[instance], b[instance])


def _compare_bodies(bound: BoundType, name: str, a: bytes, b: bytes) -> Iterator[Difference]:
    from domctx import schema

    if bound.type.layout is not None:
        left, right = (decode_body(bound.type, memoryview(side), bound.type.version) for side in (a, b))
        for path, one, other in schema.differences(left, right):
            yield Difference(name, path, one, other)
        return
    first = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
    yield Difference(name, f"body[0x{first:x}:]", a[first : first + 16].hex(" "), b[first : first + 16].hex(" "))
