"""The DISKS record: which disks a machine had when it was saved, and how one sees that they changed since."""

from __future__ import annotations

from collections.abc import Iterator

from domctx.api import JSON, Context, Difference, Machine, Record, RecordRun, RecordWriter
from domctx.schema import encode
from domctx.wire import record_size
from domctx_disks.body import from_body, to_body
from domctx_disks.states import Disks, StoredDisks


def save(state: Disks, writer: RecordWriter, context: Context) -> None:
    """One record where something is known. Raises RecordError as ``body.to_body``."""
    if state.context is not None:
        writer.write_object(to_body(state.context))


def load(state: Disks, run: RecordRun, context: Context) -> None:
    """The record into the state. Raises RecordError as ``body.from_body``."""
    for record in run:
        state.store(from_body(record.decode()))


def exact_size(state: Disks, context: Context) -> int:
    """Octets that the record takes."""
    return record_size(len(encode(to_body(state.context)))) if state.context is not None else 0


def show(record: Record, context: Context) -> JSON:
    """The disks with their files; modification times as they read on a clock (UTC) too."""
    from domctx_disks.compare import shown

    return shown(from_body(record.decode()))


def diff(a: Disks, b: Disks, context: Context) -> Iterator[Difference]:
    """By disk, as ``compare.compare``."""
    from domctx_disks.compare import compare

    return compare(a.context, b.context)


def new_state(machine: Machine) -> StoredDisks:
    """An empty state."""
    return StoredDisks()
