"""The CPU record: one vCPU's context, canonical, as its source gave it; the instance is the vCPU id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domctx.api import (
    JSON,
    Context,
    Difference,
    Domain,
    Machine,
    Record,
    RecordRun,
    RecordWriter,
    Target,
)
from domctx.schema import differences, octet_differences, size_of, to_json
from domctx.states import VcpuContext, Vcpus
from domctx.wire import record_name, record_size
from domctx_cpu.contexts import body_of, context_of, decode_context
from domctx_cpu.layout import CpuBody
from domctx_cpu.stored import StoredVcpus
from domctx_x86.states import VcpuRegisters

NAME = "CPU"


def save(state: Vcpus, writer: RecordWriter, context: Context) -> None:
    """One record for each vCPU, ascending."""
    for vcpu, found in state.contexts.items():
        writer.write_object(body_of(found), instance=vcpu)


def load(state: Vcpus, run: RecordRun, context: Context) -> None:
    """Each record into the state. Raises RecordError or UnsupportedError as ``contexts.context_of``."""
    for record in run:
        state.store(record.instance, context_of(record.decode()))


def exact_size(state: Vcpus, context: Context) -> int:
    """Octets that all records take."""
    return sum(record_size(size_of(CpuBody) + len(found.octets)) for found in state.contexts.values())


def show(record: Record, context: Context) -> JSON:
    """The ABI and the registers by name; the GDT's fields, which another record owns, are left out."""
    found = context_of(record.decode())
    registers = to_json(decode_context(found))
    return {"abi": found.abi} | {name: value for name, value in registers.items() if not name.startswith("gdt_")}


def diff(a: Vcpus, b: Vcpus, context: Context) -> Iterator[Difference]:
    """By vCPU and register: ``CPU[0] cpu_ctxt.eax``."""
    left, right = a.contexts, b.contexts
    for vcpu in sorted({*left, *right}):
        for path, one, other in _contexts(left.get(vcpu), right.get(vcpu)):
            yield Difference(record_name(NAME, vcpu), path, one, other)


def _contexts(a: VcpuContext | None, b: VcpuContext | None) -> Iterator[tuple[str, Any, Any]]:
    if a is None or b is None:
        yield "", "present" if a else None, "present" if b else None
    elif a.abi != b.abi:
        yield "abi", a.abi, b.abi
        yield from octet_differences("octets", a.octets, b.octets)
    else:
        yield from differences(decode_context(a), decode_context(b))


def new_state(machine: Machine) -> StoredVcpus:
    """An empty state."""
    return StoredVcpus()


def registers(domain: Domain | Target) -> VcpuRegisters | None:
    """The registers in vCPU contexts of Xen's; see ``domctx_cpu.xen_registers``."""
    from domctx_cpu.xen_registers import provide

    return provide(domain)
