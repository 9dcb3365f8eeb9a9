"""Memory becomes MEMORY records: windows are packed by all cores at once, and written in their order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from domctx.api import Context, RamBlock, RecordWriter
from domctx.errors import DomainError, UsageError
from domctx.states import Memory
from domctx.values import frozen
from domctx.wire import HEADER, record_size
from domctx_memory.body import Packed, pack
from domctx_memory.buffers import Buffers
from domctx_memory.codec import Packer
from domctx_memory.gather import windows
from domctx_memory.layout import HEAD_SIZE, MAX_BODY, Codec, body_bound, frame_pages, record_pages
from domctx_memory.pages import check_blocks
from domctx_memory.sources import sources

LEVELS: Final = range(-7, 20)
"""zstd's levels from the fastest that still pays to the last that needs no more than the usual memory."""
SAMPLES: Final = 64
"""Frames that an estimate packs of each block, at most."""
SPARSE: Final = 16
"""An estimate packs no more than one frame of so many, so that it costs little of what a save costs."""


def packer_of(context: Context) -> Packer:
    """The packer that the options ask for. Raises UsageError for a level that there is not."""
    level = context.option("level")
    if level not in LEVELS:
        raise UsageError("option 'level' has a wrong value", expected=f"{LEVELS[0]} to {LEVELS[-1]}", got=level)
    return Packer(Codec[context.option("compression").upper()], level)


def save(state: Memory, writer: RecordWriter, context: Context) -> None:
    """Write every page of ``state``; a dry run writes the bounds that ``max_size`` adds up."""
    packer = packer_of(context)
    if context.dry_run:
        _write_bounds(state, writer)
        return
    buffers = Buffers()

    gathered = windows(sources(state), state.blocks, buffers)
    for instance, packed in enumerate(context.map_ordered(lambda item: pack(item.read(buffers), packer), gathered)):
        _write(packed, instance, writer)
        buffers.give(packed.window.buffer)
        context.progress(packed.head.count << packed.head.page_shift)


def _write(packed: Packed, instance: int, writer: RecordWriter) -> None:
    filler = packed.filler(writer.offset + HEADER.size)
    writer.begin(instance, packed.length(filler))
    for part in packed.parts(filler):
        writer.data(part)
    writer.end()


@frozen
class _Share:
    """Windows of one block that are of one size: ``number`` of them, each of ``pages`` pages, from ``first`` on."""

    block: int
    first: int
    number: int
    pages: int
    body: int
    """The largest body of a record of one of them, in octets."""


def _shares(blocks: Sequence[RamBlock]) -> Iterator[_Share]:
    """The whole windows of each block, and what is left of each."""
    check_blocks(blocks)
    for index, block in enumerate(blocks):
        limit = record_pages(block.page_shift)
        number, rest = divmod(block.pages, limit)
        if number:
            yield _Share(index, 0, number, limit, body_bound(limit, block.page_shift))
        if rest:
            yield _Share(index, number * limit, 1, rest, body_bound(rest, block.page_shift))


def max_size(state: Memory, context: Context) -> int:
    """An upper bound of what the records of ``state`` take, from the sizes of its blocks alone.

    A source that gives pages a second time (rounds of a live save) may take more.
    """
    return sum(share.number * record_size(share.body) for share in _shares(state.blocks))


def _write_bounds(state: Memory, writer: RecordWriter) -> None:
    zeros = memoryview(bytes(MAX_BODY))
    instances = itertools.count()
    for share in _shares(state.blocks):
        for _ in range(share.number):
            writer.begin(next(instances), share.body)
            writer.data(zeros[: share.body])
            writer.end()


def estimate_size(state: Memory, context: Context) -> int:
    """What the records of ``state`` will take, by a frame here and there packed as a save would.

    Rather too little than too much, for a save is refused by it: two standard errors below the mean; of a source that
    passes once no more than a head for each record.
    """
    packer = packer_of(context)
    try:
        return sum(_estimate(state, share, packer) for share in _shares(state.blocks))
    except DomainError:  # pages are not to be had at random
        return sum(share.number * record_size(HEAD_SIZE) for share in _shares(state.blocks))


def _estimate(state: Memory, share: _Share, packer: Packer) -> int:
    total = share.number * share.pages
    step = frame_pages(state.blocks[share.block].page_shift)
    samples = min(SAMPLES, total // (step * SPARSE) + 1)
    batches = (
        state.read(share.block, first, min(step, share.first + total - first))
        for first in (share.first + number * total // samples // step * step for number in range(samples))
    )
    buffers = Buffers()
    found = []
    for item in windows(batches, state.blocks, buffers):
        window = item.read(buffers)
        found.append((pack(window, packer).length(0) - HEAD_SIZE) / window.batch.count)
        buffers.give(window.buffer)
    low = np.mean(found) - 2 * np.std(found) / np.sqrt(len(found))
    return share.number * record_size(HEAD_SIZE) + int(max(low, 0) * total)
