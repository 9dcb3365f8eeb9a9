"""Memory as what threads may read and what passes; and that as batches again, for whoever wants these alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import attrs
import numpy as np

from domctx.api import RamBlock
from domctx.states import BlockSource, Memory, PageBatch
from domctx_memory.layout import record_pages
from domctx_memory.pages import check_blocks


def batch_pages(blocks: Sequence[RamBlock]) -> int:
    """How many pages to ask a source for at a time: what one record holds of the block with the largest pages."""
    check_blocks(blocks)
    return min((record_pages(block.page_shift) for block in blocks), default=1)


def sources(memory: Memory) -> Iterator[BlockSource | PageBatch]:
    """``SourcedMemory.sources``; of memory that names none, its batches."""
    sourced: Callable[[int], Iterator[BlockSource | PageBatch]] = getattr(memory, "sources", memory.batches)
    return sourced(batch_pages(memory.blocks))


def in_batches(found: Iterable[BlockSource | PageBatch], blocks: Sequence[RamBlock], pages: int) -> Iterator[PageBatch]:
    """Every page of ``found`` in batches of at most ``pages``; their arrays are valid until the next step."""
    for part in found:
        if isinstance(part, PageBatch):
            yield attrs.evolve(part, pages=np.ascontiguousarray(part.pages))
            continue
        block = blocks[part.block]
        buffer = np.empty(min(pages, block.pages) << block.page_shift, np.uint8)
        for first in range(0, block.pages, pages):
            yield part.read(first, min(pages, block.pages - first), buffer)
