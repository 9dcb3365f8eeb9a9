"""Memory as what threads may read and what passes; and that as batches again, for whoever wants these alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

import attrs
import numpy as np
from numpy.typing import NDArray

from domctx.api import RamBlock
from domctx.states import BlockSource, Memory, PageBatch
from domctx_memory.buffers import Buffers
from domctx_memory.layout import record_pages
from domctx_memory.pages import check_blocks

T = TypeVar("T")
R = TypeVar("R")


def batch_pages(blocks: Sequence[RamBlock]) -> int:
    """How many pages to ask a source for at a time: what one record holds of the block with the largest pages."""
    check_blocks(blocks)
    return min((record_pages(block.page_shift) for block in blocks), default=1)


def sources(memory: Memory) -> Iterator[BlockSource | PageBatch]:
    """``SourcedMemory.sources``; of memory that names none, its batches."""
    sourced: Callable[[int], Iterator[BlockSource | PageBatch]] = getattr(memory, "sources", memory.batches)
    return sourced(batch_pages(memory.blocks))


class MapOrdered(Protocol):
    """``map``, or a pool's ``map_ordered``."""

    def __call__(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterable[R]:
        """The results, in order."""


def in_batches(
    found: Iterable[BlockSource | PageBatch], blocks: Sequence[RamBlock], pages: int, map_ordered: MapOrdered = map
) -> Iterator[PageBatch]:
    """Every page of ``found`` in batches of at most ``pages``, read by ``map_ordered`` where threads may read them.

    What is read so holds no more than a record does, so that memory stays bounded whatever the size of a page. The
    arrays are valid until the next step.
    """
    for part in found:
        if isinstance(part, PageBatch):
            yield attrs.evolve(part, pages=np.ascontiguousarray(part.pages))
        else:
            yield from _read(part, blocks[part.block], pages, map_ordered)


def _read(source: BlockSource, block: RamBlock, pages: int, map_ordered: MapOrdered) -> Iterator[PageBatch]:
    step = min(pages, record_pages(block.page_shift))
    buffers = Buffers(min(step, block.pages) << block.page_shift)

    def read(first: int) -> tuple[NDArray[np.uint8], PageBatch]:
        buffer = buffers.take()
        return buffer, source.read(first, min(step, block.pages - first), buffer)

    for buffer, batch in map_ordered(read, range(0, block.pages, step)):
        yield batch
        buffers.give(buffer)
