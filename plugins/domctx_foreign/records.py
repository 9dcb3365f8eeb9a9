"""FOREIGN_HEAD and FOREIGN_TAIL: what a source format had before and behind what other records hold."""

from __future__ import annotations

from domctx.api import JSON, Context, Machine, Record, RecordRun, RecordWriter
from domctx.errors import RecordError
from domctx.schema import size_of
from domctx.states import Foreign, ForeignPart
from domctx.wire import record_size
from domctx_foreign.layout import ForeignBody
from domctx_foreign.stored import StoredForeign

HEAD_OCTETS = 64
"""How much of a part ``show`` prints."""


def save(state: Foreign, writer: RecordWriter, context: Context) -> None:
    """One record for each part, in order. Raises RecordError for a name that a body cannot hold."""
    for index, part in enumerate(state.parts):
        writer.write_object(ForeignBody(part.format, part.name, len(part.octets), part.octets), instance=index)


def load(state: Foreign, run: RecordRun, context: Context) -> None:
    """Each record into the state, in order. Raises RecordError as ``part_of``."""
    for record in run:
        state.store(part_of(record.decode()))


def part_of(body: ForeignBody) -> ForeignPart:
    """The part in a record's body. Raises RecordError where it is not as long as the body says."""
    if body.size != len(body.octets):
        size = f"0x{body.size:016x} octets"
        raise RecordError("the part is not as long as it says", expected=size, got=f"0x{len(body.octets):016x}")
    return ForeignPart(body.format, body.name, body.octets)


def exact_size(state: Foreign, context: Context) -> int:
    """Octets that all records take."""
    return sum(record_size(size_of(ForeignBody) + len(part.octets)) for part in state.parts)


def show(record: Record, context: Context) -> JSON:
    """Where the part comes from, its size and SHA-256, and its first octets."""
    import hashlib

    part = part_of(record.decode())
    return {
        "format": part.format,
        "name": part.name,
        "size": len(part.octets),
        "sha256": hashlib.sha256(part.octets).hexdigest(),
        "head": part.octets[:HEAD_OCTETS].hex(),
    }


def new_state(machine: Machine) -> StoredForeign:
    """An empty state."""
    return StoredForeign()
