"""MEMORY records become memory: records are read in order, and unpacked by all cores at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from domctx.api import Context, RamBlock, RecordRun
from domctx.errors import DomctxError
from domctx.states import Memory, PageBatch
from domctx.wire import record_name
from domctx_memory.buffers import Buffers
from domctx_memory.page_map import PageMap, check_place, read_map


@attrs.frozen(eq=False)
class _Body:
    """A body that was read, and where it stands."""

    name: str
    offset: int
    octets: bytes


@attrs.frozen(eq=False)
class _Unpacked:
    """A record's pages; they stand in ``buffer``, to be given back."""

    batch: PageBatch
    octets: int
    """Guest memory that the record covers, in octets."""
    buffer: NDArray[np.uint8]


def load(state: Memory, run: RecordRun, context: Context) -> None:
    """Store the pages of every record of ``run``.

    Raises RecordError or UnsupportedError, naming record and offset, for a record that cannot be.
    """
    for unpacked in _unpacked(run, context):
        state.store(unpacked.batch)
        context.progress(unpacked.octets)


def check(run: RecordRun, context: Context) -> None:
    """Unpack and check every frame of every record of ``run``, and keep nothing. Raises as ``load``."""
    for unpacked in _unpacked(run, context):
        context.progress(unpacked.octets)


def _unpacked(run: RecordRun, context: Context) -> Iterator[_Unpacked]:
    """The records of ``run``, in order; each batch is valid until the next step."""
    buffers, blocks = Buffers(), context.machine.blocks
    for unpacked in context.map_ordered(lambda body: _unpack(body, blocks, buffers), _bodies(run)):
        yield unpacked
        buffers.give(unpacked.buffer)


def _bodies(run: RecordRun) -> Iterator[_Body]:
    for record in run:
        yield _Body(record_name(run.record_type.name, record.instance), record.offset, bytes(record.rest()))


def _unpack(body: _Body, blocks: Sequence[RamBlock], buffers: Buffers) -> _Unpacked:
    try:
        page_map = read_map(body.octets, len(body.octets))
        check_place(page_map.head, blocks)
        buffer = buffers.take()
        batch = page_map.batch(unpack_all(page_map, body.octets, buffer))
    except DomctxError as error:
        error.at(record=body.name, offset=body.offset)
        raise
    return _Unpacked(batch, page_map.head.count << page_map.head.page_shift, buffer)


def unpack_all(page_map: PageMap, octets: bytes, buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The DATA pages of a record, u8[n, page size], unpacked into ``buffer``."""
    view = memoryview(octets)
    pages = buffer.reshape(-1, 1 << page_map.head.page_shift)[: page_map.head.data]
    row = 0
    for index, (start, end) in enumerate(zip(page_map.starts, page_map.starts[1:], strict=False)):
        frame = page_map.frame(index, view[start:end])
        pages[row : row + len(frame)] = frame
        row += len(frame)
    return pages
