"""A wrapper that only looks on: it counts the CPU records that pass, and says how many."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from domctx import Context, RecordRun, RecordType, RecordWriter, hookimpl
from domctx.protocols import Buffer, Record
from domctx.wrapping import ForwardingRun, ForwardingWriter

RECORDS = "CPU"


class CountingWriter(ForwardingWriter):
    """A writer that counts."""

    def __init__(self, inner: RecordWriter) -> None:
        super().__init__(inner)
        self.records = self.octets = 0

    def begin(self, instance: int = 0, length: int | None = None, *, optional: bool = False) -> None:
        """Begin a record."""
        self.records += 1
        super().begin(instance, length, optional=optional)

    def data(self, data: Buffer) -> None:
        """Append to the body."""
        self.octets += memoryview(data).nbytes
        super().data(data)


class CountingRun(ForwardingRun):
    """A run that counts."""

    def __init__(self, inner: RecordRun) -> None:
        super().__init__(inner)
        self.records = self.octets = 0

    def body(self, record: Record) -> bytes:
        """The body, as it is."""
        self.records += 1
        self.octets += record.length
        return super().body(record)


Wrapper = Generator[None, Callable[..., None], Callable[..., None]]


@hookimpl(wrapper=True)
def domctx_save(record_type: RecordType) -> Wrapper:
    """Count what is saved."""
    inner = yield

    def counted(state: Any, writer: RecordWriter, context: Context) -> None:
        counter = CountingWriter(writer)
        inner(state, counter, context)
        context.note(f"acme: {counter.records} {RECORDS} records of {counter.octets} octets saved")

    return counted if record_type.name == RECORDS else inner


@hookimpl(wrapper=True)
def domctx_load(record_type: RecordType) -> Wrapper:
    """Count what is loaded."""
    inner = yield

    def counted(state: Any, run: RecordRun, context: Context) -> None:
        counter = CountingRun(run)
        inner(state, counter, context)
        context.note(f"acme: {counter.records} {RECORDS} records of {counter.octets} octets loaded")

    return counted if record_type.name == RECORDS else inner
