"""FOREIGN_HEAD and FOREIGN_TAIL: what a source format had before and behind what other records hold."""

from __future__ import annotations

from domctx.api import JSON, Context, Instances, Machine, Record, RecordRun, RecordType, RecordWriter, StateKey
from domctx.hookspecs import hookimpl
from domctx.schema import size_of
from domctx.states import FOREIGN_HEAD, FOREIGN_TAIL, Foreign, ForeignPart
from domctx.wire import record_size
from domctx_foreign.layout import MAX_BODY, ForeignBody
from domctx_foreign.stored import StoredForeign

HEAD_OCTETS = 64
"""How much of a part ``show`` prints."""


def save(state: Foreign, writer: RecordWriter, context: Context) -> None:
    """One record for each part, in order. Raises RecordError for a name that a body cannot hold."""
    for index, part in enumerate(state.parts):
        writer.write_object(ForeignBody(part.format, part.name, part.octets), instance=index)


def load(state: Foreign, run: RecordRun, context: Context) -> None:
    """Each record into the state, in order."""
    for record in run:
        body: ForeignBody = record.decode()
        state.store(ForeignPart(body.format, body.name, body.octets))


def exact_size(state: Foreign, context: Context) -> int:
    """Octets that all records take."""
    return sum(record_size(size_of(ForeignBody) + len(part.octets)) for part in state.parts)


def show(record: Record, context: Context) -> JSON:
    """Where the part comes from, its size and SHA-256, and its first octets."""
    import hashlib

    body: ForeignBody = record.decode()
    return {
        "format": body.format,
        "name": body.name,
        "size": len(body.octets),
        "sha256": hashlib.sha256(body.octets).hexdigest(),
        "head": body.octets[:HEAD_OCTETS].hex(),
    }


def new_state(machine: Machine) -> StoredForeign:
    """An empty state."""
    return StoredForeign()


def _type(code: int, name: str, summary: str, state: StateKey[Foreign]) -> RecordType:
    return RecordType(
        code=code,
        name=name,
        summary=summary,
        state=state,
        instances=Instances.DENSE,
        body=ForeignBody,
        max_body=MAX_BODY,
        save=save,
        load=load,
        new_state=new_state,
        exact_size=exact_size,
        show=show,
    )


@hookimpl
def domctx_record_types() -> list[RecordType]:
    """FOREIGN_HEAD and FOREIGN_TAIL."""
    return [
        _type(0x0001_0020, "FOREIGN_HEAD", "what a source format had before memory, as it stood there", FOREIGN_HEAD),
        _type(0x0001_FE00, "FOREIGN_TAIL", "what a source format had behind, as it stood there", FOREIGN_TAIL),
    ]
