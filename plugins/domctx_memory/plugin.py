"""The record type MEMORY and the commands that read memory; what they do stands in rooms imported when called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from domctx.api import (
    JSON,
    Command,
    Context,
    Difference,
    Domain,
    IndexedRecord,
    Instances,
    Machine,
    Option,
    Record,
    RecordRun,
    RecordType,
    RecordWriter,
    StateProvider,
    Target,
)
from domctx.hookspecs import hookimpl
from domctx.states import MEMORY, Memory
from domctx_x86.states import PHYSICAL, PhysicalMemory

if TYPE_CHECKING:
    from domctx_memory.stored import StoredMemory
    from domctx_memory.view import ImageMemory


def save(state: Memory, writer: RecordWriter, context: Context) -> None:
    """Write every page; see ``domctx_memory.save``."""
    from domctx_memory.save import save

    save(state, writer, context)


def load(state: Memory, run: RecordRun, context: Context) -> None:
    """Store every page; see ``domctx_memory.load``."""
    from domctx_memory.load import load

    load(state, run, context)


def check(run: RecordRun, context: Context) -> None:
    """Unpack every frame, and keep nothing."""
    from domctx_memory.load import check

    check(run, context)


def max_size(state: Memory, context: Context) -> int:
    """An upper bound of what the records take, in octets."""
    from domctx_memory.save import max_size

    return max_size(state, context)


def estimate_size(state: Memory, context: Context) -> int:
    """What the records will take, in octets, by a sample."""
    from domctx_memory.save import estimate_size

    return estimate_size(state, context)


def new_state(machine: Machine) -> StoredMemory:
    """Memory of the machine's blocks, every page absent."""
    from domctx_memory.stored import StoredMemory

    return StoredMemory(machine.blocks)


def view(records: Sequence[IndexedRecord], context: Context) -> ImageMemory:
    """Memory over an opened image."""
    from domctx_memory.view import ImageMemory

    return ImageMemory(records, context)


def show(record: Record, context: Context) -> JSON:
    """What a record covers and how it is packed."""
    from domctx_memory.show import show

    return show(record, context)


def diff(a: Memory, b: Memory, context: Context) -> Iterable[Difference]:
    """The runs of pages that differ."""
    from domctx_memory.diff import diff

    return diff(a, b, context)


def physical(domain: Domain | Target) -> PhysicalMemory | None:
    """A machine's memory by guest-physical addresses."""
    from domctx_memory.octets import PhysicalReader

    memory = domain.state(MEMORY)
    return PhysicalReader(memory) if memory is not None else None


OPTIONS = (
    Option("compression", str, "how memory is packed", default="zstd", choices=("zstd", "none")),
    Option("level", int, "zstd level of memory, -7 to 19", default=1),
)


@hookimpl
def domctx_record_types() -> Sequence[RecordType]:
    """MEMORY."""
    return [
        RecordType(
            code=0x0001_0100,
            name="MEMORY",
            summary="up to 4 MiB of one block of guest memory: page kinds, and the pages in frames of 128 KiB",
            state=MEMORY,
            save=save,
            load=load,
            check=check,
            new_state=new_state,
            instances=Instances.DENSE,
            body="domctx_memory.layout:MemoryBody",
            version=2,
            readable_since=2,
            oldest=2,
            max_body=0x40_333F,
            max_size=max_size,
            estimate_size=estimate_size,
            view=view,
            show=show,
            diff=diff,
            options=OPTIONS,
        )
    ]


@hookimpl
def domctx_state_providers() -> Sequence[StateProvider]:
    """PHYSICAL, derived."""
    return [StateProvider(PHYSICAL, physical, owned=False)]


@hookimpl
def domctx_commands() -> Sequence[Command]:
    """``extract`` and ``read``."""
    return [
        Command("extract", "write memory, a RAM block or a device's octets to a file", "domctx_memory.extract:command"),
        Command("read", "show octets of a machine's memory", "domctx_memory.read:command"),
    ]
