"""Toy record types, one of each kind, as a plugin: what the core's own roads are tested with.

DIAL: one record, a layout with history · NOTES: dense, any length, told at the end · LAMPS: keyed, one size, arrays ·
BULK: one record, large, whose save can be held · CLOCK: one state with a record of Xen's and one of ours.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import attrs

from domctx.api import Context, Format, Images, Instances, Option, RecordRun, RecordType, RecordWriter, StateKey
from domctx.errors import RecordError
from domctx.hookspecs import hookimpl
from domctx.schema import U16, U32, layout, size_of
from domctx.wire import record_size

DIAL_CODE, NOTES_CODE, LAMPS_CODE, BULK_CODE, CLOCK_CODE, XEN_CODE = 0x1E000, 0x1E010, 0x1E020, 0x1E030, 0x1E040, 2
LAMP = 12
"""Octets of a lamp."""


@layout(source="a toy")
@attrs.frozen
class DialBody:
    """Version 1 counts in tens; version 3 brought the scale."""

    value: Annotated[int, U32("position")]
    scale: Annotated[int, U16("division", since=3)] = 10


@attrs.define
class Dial:
    """One value."""

    body: DialBody = DialBody(0)


@attrs.define
class Notes:
    """Texts in order."""

    texts: list[bytes] = attrs.Factory(list)


@attrs.define
class Lamps:
    """Twelve octets by number."""

    lamps: dict[int, bytes] = attrs.Factory(dict)


@attrs.define
class Bulk:
    """So many octets, all alike."""

    size: int = 0


@attrs.define
class Clock:
    """A time."""

    ticks: int = 0


DIAL: StateKey[Dial] = StateKey("dial")
NOTES: StateKey[Notes] = StateKey("notes")
LAMPS: StateKey[Lamps] = StateKey("lamps")
BULK: StateKey[Bulk] = StateKey("bulk")
CLOCK: StateKey[Clock] = StateKey("toy_clock")


def save_dial(state: Dial, writer: RecordWriter, context: Context) -> None:
    """One object."""
    writer.write_object(state.body)


def load_dial(state: Dial, run: RecordRun, context: Context) -> None:
    """One object."""
    for record in run:
        state.body = record.decode()


def from_tens(body: bytes) -> bytes:
    """Version 1 to version 2."""
    if len(body) != 4:
        raise RecordError("a dial of version 1 has four octets", expected=4, got=len(body))
    return struct.pack("<I", struct.unpack("<I", body)[0] * 10)


def save_notes(state: Notes, writer: RecordWriter, context: Context) -> None:
    """Pieces of seven octets; how many there are is told by the end."""
    for instance, text in enumerate(state.texts):
        writer.begin(instance)
        for start in range(0, len(text), 7):
            writer.data(text[start : start + 7])
        writer.end()
        context.progress(len(text))


def load_notes(state: Notes, run: RecordRun, context: Context) -> None:
    """Two reads each."""
    for record in run:
        head = bytes(record.read(record.remaining // 2))
        state.texts.append(head + bytes(record.rest()))
        context.progress(record.length)


def save_lamps(state: Lamps, writer: RecordWriter, context: Context) -> None:
    """All at once."""
    import numpy as np

    instances = np.array(list(state.lamps), np.uint32)
    bodies = np.frombuffer(b"".join(state.lamps.values()), np.uint8).reshape(len(instances), LAMP)
    writer.write_batch(instances, bodies)


def load_lamps(state: Lamps, run: RecordRun, context: Context) -> None:
    """As they come."""
    for instances, bodies in run.batches():
        if bodies.shape[1] != LAMP:
            raise RecordError("a lamp has twelve octets", expected=LAMP, got=bodies.shape[1])
        for instance, body in zip(instances.tolist(), bodies, strict=True):
            state.lamps[instance] = bytes(body)


def save_bulk(state: Bulk, writer: RecordWriter, context: Context) -> None:
    """A body of unknown length; with the option ``hold`` it stops in the middle until it is killed."""
    writer.begin()
    for start in range(0, state.size, 1 << 20):
        if start and context.option("hold") and not context.dry_run:
            Path(context.option("hold")).touch()
            time.sleep(60)
        writer.data(bytes(min(1 << 20, state.size - start)))
    writer.end()


def load_bulk(state: Bulk, run: RecordRun, context: Context) -> None:
    """Counts octets, which are zeros."""
    for record in run:
        while record.remaining:
            octets = record.read(min(record.remaining, 1 << 20))
            if any(octets):
                raise record.error("not zero")
            state.size += len(octets)


def check_bulk(run: RecordRun, context: Context) -> None:
    """The same, and keeps nothing."""
    load_bulk(Bulk(), run, context)


def save_clock(state: Clock, writer: RecordWriter, context: Context) -> None:
    """Eight octets."""
    writer.write(state.ticks.to_bytes(8, "little"))


def load_clock(state: Clock, run: RecordRun, context: Context) -> None:
    """Eight octets; the dial stands before the clock."""
    context.state(DIAL)
    for record in run:
        if record.length != 8:
            raise record.error("a clock has eight octets", expected=8, got=record.length)
        state.ticks = int.from_bytes(record.rest(), "little")


def show_clock(record: Any, context: Context) -> Any:
    """The ticks."""
    return {"ticks": int.from_bytes(record.rest(), "little")}


def _type(code: int, name: str, state: StateKey[Any], save: Any, load: Any, kind: Any, **more: Any) -> RecordType:
    return RecordType(
        code=code,
        name=name,
        summary=f"a toy: {name}",
        state=state,
        save=save,
        load=load,
        new_state=lambda machine: kind(),
        **more,
    )


def record_types() -> Sequence[RecordType]:
    """All of them, in no order."""
    dial_size = record_size(size_of(DialBody))
    hold = Option("hold", str, "stop there")
    return [
        _type(LAMPS_CODE, "LAMPS", LAMPS, save_lamps, load_lamps, Lamps, instances=Instances.KEYED, max_body=64),
        _type(NOTES_CODE, "NOTES", NOTES, save_notes, load_notes, Notes, instances=Instances.DENSE, max_body=1 << 16),
        _type(
            DIAL_CODE, "DIAL", DIAL, save_dial, load_dial, Dial, body=DialBody, version=3, upgrades={1: from_tens},
            exact_size=lambda state, context: dial_size,
        ),
        _type(
            BULK_CODE, "BULK", BULK, save_bulk, load_bulk, Bulk, max_body=64 << 20, check=check_bulk, options=(hold,),
            max_size=lambda state, context: record_size(state.size) + 8, estimate_size=lambda state, context: 16,
        ),
        _type(CLOCK_CODE, "CLOCK", CLOCK, save_clock, load_clock, Clock, show=show_clock),
        _type(XEN_CODE, "XEN_CLOCK", CLOCK, save_clock, load_clock, Clock, images=Images.PLAIN),
    ]  # fmt: skip


@hookimpl
def domctx_record_types() -> Sequence[RecordType]:
    """The toys."""
    return record_types()


@hookimpl
def domctx_formats() -> Sequence[Format]:
    """The toy machines."""
    from helpers.toy_machines import formats

    return formats()
