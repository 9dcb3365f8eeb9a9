"""Xen's own TSC_INFO record, in plain v10 images and in ours.

The specification's body has 20 octets, the one of the posted saver 24 (formats/xen.md 2.2): both are read, and what
came in as 24 goes out as 24. Written are 20, unless ``-O tsc-info=24`` asks for the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from domctx.api import (
    JSON,
    Context,
    Difference,
    Machine,
    Record,
    RecordRun,
    RecordWriter,
)
from domctx.errors import RecordError
from domctx.schema import decode, differences, encode, size_of, to_json
from domctx.states import Clock, TscContext
from domctx.wire import record_name, record_size
from domctx_clock.layout import POSTED_TAIL, TscInfo
from domctx_clock.stored import StoredClock

TSC_INFO_SIZE: Final = "tsc-info"
"""The option that chooses between both."""


def save(state: Clock, writer: RecordWriter, context: Context) -> None:
    """One record where there is a TSC state."""
    if state.tsc is not None:
        tail = bytes(POSTED_TAIL) if posted(state, context) else b""
        writer.write(encode(body_of(state.tsc)), tail)


def load(state: Clock, run: RecordRun, context: Context) -> None:
    """The record into the state; a StoredClock also keeps its length. Raises RecordError as ``tsc_info``."""
    for record in run:
        body = bytes(record.rest())
        state.store(TscContext(**attrs.asdict(tsc_info(body))))
        if isinstance(state, StoredClock):
            state.posted = len(body) > size_of(TscInfo)


def body_of(tsc: TscContext) -> TscInfo:
    """The record's body of a TSC state, without a tail."""
    return TscInfo(**attrs.asdict(tsc))


def tsc_info(body: bytes) -> TscInfo:
    """A body of 20 octets, or of 24 whose last four are zero. Raises RecordError for any other."""
    size = size_of(TscInfo)
    tail = body[size:]
    if len(tail) != POSTED_TAIL:
        return decode(TscInfo, body)
    if any(tail):
        raise RecordError("the tail of the body is not zero", expected="00 00 00 00", got=tail.hex(" "))
    return decode(TscInfo, body[:size])


def posted(state: Clock, context: Context) -> bool:
    """Whether the body is written with the tail of the posted saver."""
    wanted: str | None = context.option(TSC_INFO_SIZE)
    if wanted is None:
        return isinstance(state, StoredClock) and state.posted
    return wanted == "24"


def length(state: Clock, context: Context) -> int:
    """Octets of the body."""
    return size_of(TscInfo) + (POSTED_TAIL if posted(state, context) else 0)


def exact_size(state: Clock, context: Context) -> int:
    """Octets that the record takes; 20 and 24 take the same, for records are padded to 8."""
    return record_size(size_of(TscInfo)) if state.tsc is not None else 0


def show(record: Record, context: Context) -> JSON:
    """The fields."""
    return to_json(tsc_info(bytes(record.rest())))


def diff(a: Clock, b: Clock, context: Context) -> Iterator[Difference]:
    """By field; that the bodies have another length tells by whom they were saved, and is not counted."""
    record = record_name("TSC_INFO", 0)
    left, right = a.tsc, b.tsc
    if left is not None and right is not None:
        for path, one, other in differences(body_of(left), body_of(right)):
            yield Difference(record, path, one, other)
        if posted(a, context) != posted(b, context):
            yield Difference(record, "length", length(a, context), length(b, context), counted=False)
    elif left is not None or right is not None:
        yield Difference(record, "", "present" if left else None, "present" if right else None)


def new_state(machine: Machine) -> StoredClock:
    """An empty state."""
    return StoredClock()
