"""Writes any domain that was QEMU's as a migration stream: its states are pulled in the stream's own order."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from domctx.api import Domain, FormatContext, RamBlock, Sink
from domctx.errors import DomainError
from domctx.states import DEVICES, FOREIGN_HEAD, FOREIGN_TAIL, MEMORY, Foreign, Memory, PageKind
from domctx_qemu_stream.compose import Composer
from domctx_qemu_stream.global_state import run_state
from domctx_qemu_stream.heads import ELSEWHERE, NEVER
from domctx_qemu_stream.layout import PAGE_SIZE, SCHEME
from domctx_qemu_stream.parts import ADDRESSES, BEHIND


def write(source: Domain, sink: Sink, context: FormatContext) -> None:
    """Pull ``source`` into ``sink``. Raises DomainError for a domain that never was QEMU's, or is not whole."""
    compose(source, sink, context)
    tail = source.state(FOREIGN_TAIL)
    for part in tail.parts if tail is not None else ():
        if (part.format, part.name) == (SCHEME, BEHIND):
            sink.write(part.octets)
    _tell_standing(source, context)


def _tell_standing(source: Domain, context: FormatContext) -> None:
    """A guest that was stopped to be saved stands in its stream."""
    devices = source.state(DEVICES)
    state = run_state(devices.sections) if devices is not None else None
    if source.machine.run_state == "running" and state not in (None, "running"):
        context.note(f"the guest ran, and was stopped to be saved: QEMU loads it {state!r}, and cont continues it")


def compose(source: Domain, sink: Sink, context: FormatContext) -> None:
    """The stream itself, up to its last octet."""
    memory = source.state(MEMORY)
    head = head_of(source).parts
    blocks = memory.blocks if memory is not None else ()
    absent = _absent(source, memory) if memory is not None else frozenset()
    own = frozenset() if any(part.name == ADDRESSES for part in head) else absent & _unmapped(blocks)
    shared = absent - own
    composer = Composer(sink, blocks, head, shared=shared)
    for note in composer.notes:
        context.note(note)
    if shared:
        names = ", ".join(map(repr, sorted(shared)))
        context.note(
            f"{names}: not in the stream; QEMU must have these pages in shared memory, and x-ignore-shared set"
        )
    if own:
        names = ", ".join(map(repr, sorted(own)))
        context.note(f"{names}: not in the stream; QEMU makes what is not mapped when it starts")
    _early(source, composer)
    if memory is not None:
        _pages(memory, composer, context, own)
    devices, tail = source.state(DEVICES), source.state(FOREIGN_TAIL)
    for section in devices.sections[composer.early :] if devices is not None else ():
        composer.device(section)
    for part in tail.parts if tail is not None else ():
        composer.tail(part)
    composer.finish()


def head_of(source: Domain) -> Foreign:
    """What is kept of the stream's head. Raises DomainError where there is nothing."""
    found = source.state(FOREIGN_HEAD)
    if found is None:
        raise DomainError(NEVER, hint=ELSEWHERE)
    return found


def _absent(source: Domain, memory: Memory) -> frozenset[str]:
    """The blocks without pages; of a source that passes once none are known."""
    if source.one_pass:
        return frozenset()
    firsts = (memory.read(index, 0, 1).kinds for index, block in enumerate(memory.blocks) if block.pages)
    named = zip((block.name for block in memory.blocks if block.pages), firsts, strict=True)
    return frozenset(name for name, kinds in named if int(kinds[0]) == PageKind.ABSENT)


def _early(source: Domain, composer: Composer) -> None:
    """The devices that stand before the pages: QEMU has to know them first."""
    if composer.early:
        devices = source.state(DEVICES)
        for section in devices.sections[: composer.early] if devices is not None else ():
            composer.device(section)


def _unmapped(blocks: Sequence[RamBlock]) -> frozenset[str]:
    """The blocks that no guest sees: firmware tables and such, which QEMU makes itself."""
    return frozenset(block.name for block in blocks if not block.placements)


def _pages(memory: Memory, composer: Composer, context: FormatContext, own: Collection[str]) -> None:
    """Write all pages but the absent ones of ``own`` blocks."""
    for batch in memory.batches():
        if memory.blocks[batch.block].name not in own or (batch.kinds != PageKind.ABSENT).any():
            composer.pages(batch)
        context.progress(batch.count * PAGE_SIZE)
