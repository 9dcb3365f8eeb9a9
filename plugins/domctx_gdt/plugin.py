"""The GDT record: one vCPU's GDT, its frames canonical; the instance is the vCPU id."""

from __future__ import annotations

from domctx.api import JSON, Context, Instances, Machine, Record, RecordRun, RecordType, RecordWriter
from domctx.hookspecs import hookimpl
from domctx.schema import size_of
from domctx.states import GDT, Gdt
from domctx.wire import record_size
from domctx_gdt.frames import body_of, context_of
from domctx_gdt.layout import GdtBody
from domctx_gdt.stored import StoredGdt


def save(state: Gdt, writer: RecordWriter, context: Context) -> None:
    """One record for each vCPU, ascending."""
    for vcpu, found in state.contexts.items():
        writer.write_object(body_of(found), instance=vcpu)


def load(state: Gdt, run: RecordRun, context: Context) -> None:
    """Each record into the state. Raises RecordError as ``frames.context_of``."""
    for record in run:
        state.store(record.instance, context_of(record.decode()))


def exact_size(state: Gdt, context: Context) -> int:
    """Octets that all records take."""
    return len(state.contexts) * record_size(size_of(GdtBody))


def show(record: Record, context: Context) -> JSON:
    """The entries, and the frames that they reach."""
    found = context_of(record.decode())
    return {"entries": found.entries, "frames": list(found.frames)}


def new_state(machine: Machine) -> StoredGdt:
    """An empty state."""
    return StoredGdt()


@hookimpl
def domctx_record_types() -> list[RecordType]:
    """GDT."""
    return [
        RecordType(
            code=0x0001_0210,
            name="GDT",
            summary="a vCPU's GDT: its frames, canonical, and how many entries they hold",
            state=GDT,
            instances=Instances.KEYED,
            body=GdtBody,
            max_body=size_of(GdtBody),
            save=save,
            load=load,
            new_state=new_state,
            exact_size=exact_size,
            show=show,
        )
    ]
