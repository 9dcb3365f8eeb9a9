"""A transform of another plugin's records: SHARED_INFO_PAGE leaves with every bit turned round, and comes back.

No cipher: it shows where one would stand.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from domctx import Context, RecordRun, RecordType, RecordWriter, Transformed, hookimpl
from domctx.protocols import Buffer, Record
from domctx.wrapping import ForwardingRun, ForwardingWriter

NAME = "acme/scramble"
RECORDS = "SHARED_INFO_PAGE"

TURNED = bytes(octet ^ 0xFF for octet in range(256))


class Scrambler(ForwardingWriter):
    """A writer that turns every bit round."""

    def data(self, data: Buffer) -> None:
        """Append to the body."""
        self.inner.data(bytes(data).translate(TURNED))


class Unscrambler(ForwardingRun):
    """A run whose bodies have every bit turned back."""

    def body(self, record: Record) -> bytes:
        """The body as it was before it was saved."""
        return bytes(record.rest()).translate(TURNED)


Wrapper = Generator[None, Callable[..., None], Callable[..., None] | Transformed]


@hookimpl(wrapper=True)
def domctx_save(record_type: RecordType) -> Wrapper:
    """Scramble what is saved."""
    inner = yield

    def scrambled(state: Any, writer: RecordWriter, context: Context) -> None:
        inner(state, Scrambler(writer), context)

    return Transformed(NAME, scrambled) if record_type.name == RECORDS else inner


@hookimpl(wrapper=True)
def domctx_load(record_type: RecordType) -> Wrapper:
    """Unscramble what is loaded."""
    inner = yield

    def unscrambled(state: Any, run: RecordRun, context: Context) -> None:
        inner(state, Unscrambler(run), context)

    return Transformed(NAME, unscrambled) if record_type.name == RECORDS else inner
