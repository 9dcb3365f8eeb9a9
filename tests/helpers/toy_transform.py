"""A transform of the toys NOTES and BULK: each body is written twice over, and read once."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from domctx.api import Context, Record, RecordRun, RecordType, RecordWriter, Transformed
from domctx.hookspecs import hookimpl
from domctx.wrapping import ForwardingRun, ForwardingWriter

NAME = "acme/double"
TYPES = ("NOTES", "BULK")


class Doubling(ForwardingWriter):
    """Writes a body, and again."""

    def begin(self, instance: int = 0, length: int | None = None, *, optional: bool = False) -> None:
        """Take the body."""
        self.instance, self.body = instance, bytearray()

    def data(self, data: Any) -> None:
        """Take more."""
        self.body += data

    def end(self) -> None:
        """Write it."""
        self.inner.write(bytes(self.body), bytes(self.body), instance=self.instance)


class Halving(ForwardingRun):
    """Reads the first half of a body."""

    def body(self, record: Record) -> bytes:
        """Half of it."""
        whole = bytes(record.rest())
        return whole[: len(whole) // 2]


@hookimpl(wrapper=True)
def domctx_save(record_type: RecordType) -> Generator[None, Any, Any]:
    """Wrap the saving."""
    inner = yield

    def handler(state: Any, writer: RecordWriter, context: Context) -> None:
        inner(state, Doubling(writer), context)

    return Transformed(NAME, handler) if record_type.name in TYPES else inner


@hookimpl(wrapper=True)
def domctx_load(record_type: RecordType) -> Generator[None, Any, Any]:
    """Wrap the loading."""
    inner = yield

    def handler(state: Any, run: RecordRun, context: Context) -> None:
        inner(state, Halving(run), context)

    return Transformed(NAME, handler) if record_type.name in TYPES else inner
