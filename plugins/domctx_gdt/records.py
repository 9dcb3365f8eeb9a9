"""The GDT record: one vCPU's GDT, its frames canonical; the instance is the vCPU id."""

from __future__ import annotations

from domctx.api import (
    JSON,
    Context,
    Domain,
    Machine,
    Record,
    RecordRun,
    RecordWriter,
    Target,
)
from domctx.schema import size_of
from domctx.states import Gdt
from domctx.wire import record_size
from domctx_gdt.frames import body_of, context_of
from domctx_gdt.layout import GdtBody
from domctx_gdt.stored import StoredGdt
from domctx_x86.descriptors import described
from domctx_x86.states import PHYSICAL, REGISTERS
from domctx_x86.walk import is_long


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
    """The entries, the frames that they reach, and where there is memory the descriptors that are not null."""
    from domctx_gdt.entries import entries_of

    found = context_of(record.decode())
    value = {"entries": found.entries, "frames": list(found.frames)}
    memory, told = context.state(PHYSICAL), context.state(REGISTERS)
    if memory is None:
        return value
    registers = told.vcpus.get(record.instance) if told is not None else None
    long = registers is not None and is_long(registers)
    return value | {"descriptors": list(described(entries_of(found, registers, memory), long=long))}


def derive(domain: Domain | Target) -> Gdt | None:
    """The GDTs that a machine's vCPUs tell of; None where it has no memory, or nothing tells of registers."""
    from domctx_gdt.entries import DerivedGdt

    registers, memory = domain.state(REGISTERS), domain.state(PHYSICAL)
    return DerivedGdt(registers, memory) if registers is not None and memory is not None else None


def new_state(machine: Machine) -> StoredGdt:
    """An empty state."""
    return StoredGdt()
