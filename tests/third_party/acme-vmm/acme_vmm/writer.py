"""Writes a domain as a snapshot: in one go, for a snapshot may go into a pipe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from acme_vmm.layout import END, MAX_VCPUS, PAGE_SHIFT, PAGE_SIZE, Head, Run, Tail
from acme_vmm.names import MAGIC
from domctx.api import Domain, FormatContext, RamBlock, Sink
from domctx.errors import DomainError
from domctx.schema import dtype, encode
from domctx.states import MEMORY, Memory, PageBatch, PageKind


def write(source: Domain, sink: Sink, context: FormatContext) -> None:
    """The head, the pages that are not zero, their runs, the tail. Raises DomainError as ``check``."""
    memory = source.require(MEMORY)
    block = check(source, memory)
    vcpus, name = len(source.machine.vcpus), source.machine.name
    sink.write(encode(Head(magic=MAGIC, pages=block.pages, vcpus=vcpus, name=name)))
    edges: list[NDArray[np.int64]] = []
    missing = 0
    for batch in memory.batches():
        pages = whole(batch)
        used = pages.any(axis=1)
        sink.write(np.ascontiguousarray(pages[used]).data)
        edges.append(batch.first + np.flatnonzero(np.diff(used, prepend=False, append=False)))
        missing += int(np.count_nonzero(batch.kinds > PageKind.FILL))
        context.progress(pages.nbytes)
    runs = runs_of(edges)
    sink.write(runs.tobytes())
    sink.write(encode(Tail(runs=len(runs), magic=END)))
    if missing:
        context.note(f"{missing} pages have no contents: they are zero in the snapshot")


def check(source: Domain, memory: Memory) -> RamBlock:
    """The one block of a machine that our hypervisor could have. Raises DomainError for any other."""
    if source.one_pass:
        raise DomainError("its memory passes only once", hint="save it to an image, and convert that")
    shifts = [block.page_shift for block in memory.blocks]
    if shifts != [PAGE_SHIFT]:
        raise DomainError("a snapshot holds one RAM block with pages of 4096 octets", got=f"{len(shifts)} blocks")
    if len(source.machine.vcpus) > MAX_VCPUS:
        raise DomainError(f"a machine of ours has at most {MAX_VCPUS} vCPUs", got=len(source.machine.vcpus))
    return memory.blocks[0]


def whole(batch: PageBatch) -> NDArray[np.uint8]:
    """All pages of a batch, u8[count, 4096]; those without contents are zero."""
    pages = np.zeros((batch.count, PAGE_SIZE), np.uint8)
    pages[batch.kinds == PageKind.DATA] = batch.pages
    if batch.fills is not None:
        pages[batch.kinds == PageKind.FILL] = batch.fills[:, np.newaxis]
    return pages


def runs_of(found: Sequence[NDArray[np.int64]]) -> NDArray[np.void]:
    """The runs, as an array of the fields of Run; ``found`` are first pages and first pages behind, in turn."""
    edges = np.concatenate(found) if found else np.empty(0, np.int64)
    inner = np.flatnonzero(edges[1:-1:2] == edges[2::2]) * 2 + 1  # one run ends where the next begins
    edges = np.delete(edges, np.append(inner, inner + 1))
    runs = np.zeros(len(edges) // 2, dtype(Run))
    runs["first"], runs["count"] = edges[::2], edges[1::2] - edges[::2]
    return runs
