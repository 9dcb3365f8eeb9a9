"""The showing road: an image's records as JSON values, one by one."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from domctx.api import JSON, Record
from domctx.context import HandlerContext
from domctx.errors import UsageError
from domctx.handlers import guard
from domctx.image_domain import ImageDomain
from domctx.records import Ledger, StreamRun
from domctx.registry import BoundType
from domctx.wire import OPTIONAL


@attrs.frozen
class Shown:
    """One record: where it stands, and its contents as a JSON value (None where they were not asked for)."""

    type: str
    code: int
    instance: int
    offset: int
    length: int
    value: JSON


def show(domain: ImageDomain, wanted: str | None = None, instance: int | None = None) -> Iterator[Shown]:
    """The records of an opened image, of one type and instance where they are given, in stream order.

    Raises UsageError where there is no such record.
    """
    found = False
    names = domain.registry.types
    for code in domain.image.codes():
        bound = names.get(code)
        if wanted is not None and not _is(bound, code, wanted):
            continue
        for shown in _records(domain, code, bound, instance):
            found = True
            yield shown
    if wanted is not None and not found:
        present = ", ".join(_name(names.get(code), code) for code in domain.image.codes())
        what = wanted if instance is None else f"{wanted}:{instance}"
        raise UsageError(f"there is no record {what}", file=domain.location, hint=f"the file has {present or 'none'}")


def _name(bound: BoundType | None, code: int) -> str:
    return bound.type.name if bound is not None else f"0x{code:08x}"


def _is(bound: BoundType | None, code: int, wanted: str) -> bool:
    return _name(bound, code).lower() == wanted.lower()


def _records(domain: ImageDomain, code: int, bound: BoundType | None, instance: int | None) -> Iterator[Shown]:
    if bound is None:
        for item in domain.carried():
            if item.code == code and instance in (None, item.header.instance):
                yield Shown(_name(None, code), code | OPTIONAL, item.header.instance, 0, item.header.length, None)
        return
    ledger = Ledger(bound.type)
    for offset, length in domain.image.runs(code):
        reader = domain.image.reader(offset, length, {code: bound.type.name})
        for record in StreamRun(reader, bound.type, ledger, domain.version(bound), lambda octets: None):
            if instance in (None, record.instance):
                value = show_record(bound, record, domain.context(bound.type))
                yield Shown(bound.type.name, code, record.instance, record.offset, record.length, value)
            record.ignore_data()


def show_record(bound: BoundType, record: Record, context: HandlerContext) -> JSON:
    """One record as a JSON value: by the type's own ``show``, by its body's fields, or as octets."""
    custom = bound.type.show
    if custom is not None:
        return guard(lambda: custom(record, context), bound.suspects)
    if bound.type.body is not None:
        from domctx.schema import to_json

        return to_json(record.decode())
    return {"octets": bytes(record.rest()).hex()}
