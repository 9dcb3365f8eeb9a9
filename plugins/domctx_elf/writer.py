"""Writes any domain that has memory as an ELF core, as QEMU's ``dump-guest-memory`` writes its guests."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import numpy as np

from domctx.api import Domain, FormatContext, Sink, Target
from domctx.states import FOREIGN_HEAD, MEMORY, Memory
from domctx_elf.headers import Placed, head, shape_of
from domctx_elf.layout import EM_386, EM_X86_64, SCHEME
from domctx_elf.notes import notes_of
from domctx_elf.segments import Load, left_out, loads
from domctx_memory.octets import physical_reader, pieces, without_contents
from domctx_x86.states import REGISTERS
from domctx_x86.vcpu import NARROW
from domctx_x86.walk import is_long

NOTES: Final = "notes"
"""The foreign part in which the notes of a core are kept."""


def write(source: Domain, sink: Sink, context: FormatContext) -> None:
    """Headers, notes, and the RAM that has a place in guest-physical memory, ascending.

    Raises DomainError where there is no memory.
    """
    memory = settled(source, context)
    told = source.state(REGISTERS)
    vcpus = dict(told.vcpus) if told is not None else {}
    found = loads(memory, source.machine)
    placed = place(found)
    if context.option("paging"):
        from domctx_elf import mappings

        placed = mappings.placed(vcpus.values(), physical_reader(memory), placed)
    long = any(is_long(registers) for registers in list(vcpus.values())[:1])
    notes = kept_notes(source) or notes_of(vcpus)
    machine = EM_X86_64 if long or (not vcpus and source.machine.architecture != NARROW) else EM_386
    if not vcpus and not notes:
        context.note("nothing tells of x86 vCPUs' registers: the core has none")
    tell(left_out(memory, found), context)
    sink.write(head(placed, notes, machine, shape_of(placed, long=long)))
    put(memory, found, sink, context)


def settled(source: Domain, context: FormatContext) -> Memory:
    """The memory, to be read at random; of a source that passes once, a copy in a file without a name."""
    memory = source.require(MEMORY)
    if not source.one_pass:
        return memory
    from domctx_memory.stored import StoredMemory

    context.note("the memory passes once and a core is in order of addresses: it is kept in a temporary file")
    stored = StoredMemory(memory.blocks)
    for batch in memory.batches():
        stored.store(batch)
    return stored


def place(found: Sequence[Load]) -> list[Placed]:
    """The loads one behind the other; linear addresses are physical ones."""
    starts = accumulate((load.length for load in found), initial=0)
    return [Placed(load.address, load.address, start, load.length) for load, start in zip(found, starts, strict=False)]


def kept_notes(source: Domain | Target, name: str = NOTES) -> bytes:
    """The notes of the core that a domain came from; none where it did not come from one."""
    state = source.state(FOREIGN_HEAD)
    parts = state.parts if state is not None else ()
    return b"".join(part.octets for part in parts if (part.format, part.name) == (SCHEME, name))


def tell(blocks: Sequence[str], context: FormatContext) -> None:
    """Say which RAM ``blocks``, by name, are left behind."""
    if blocks:
        names = ", ".join(map(repr, blocks))
        context.note(f"RAM blocks that have no place in guest-physical memory are left behind: {names}")


def put(memory: Memory, found: Sequence[Load], sink: Sink, context: FormatContext) -> None:
    """The octets of all loads; those of pages without contents are zeros, and noted."""
    missing = 0
    for load in found:
        for piece in pieces(memory, [load.extent]):
            missing += int(np.count_nonzero(without_contents(piece.kinds)))
            sink.write(piece.octets.data)
            context.progress(piece.octets.nbytes)
    if missing:
        context.note(f"0x{missing:x} pages have no contents: zeros are written")
