"""MEMORY records become memory: records are read in order, and unpacked by all cores at once.

They are stored in order too; by the thread that unpacked them where the memory can take them so, and they tell of pages
that stand behind those of all records before them: such a record tells of no page that another one told of.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from domctx.api import Context, RecordRun
from domctx.errors import DomctxError
from domctx.states import Memory, PageBatch
from domctx.values import frozen
from domctx.wire import record_name
from domctx_memory.buffers import Buffers
from domctx_memory.layout import MAX_BODY
from domctx_memory.page_map import PageMap, check_place, read_map, told_extent

T = TypeVar("T")


@frozen(eq=False)
class _Body:
    """A body that was read, and where it stands; its octets stand in ``buffer``, to be given back.

    ``ahead`` tells that its pages stand behind those of all records before it.
    """

    name: str
    offset: int
    octets: memoryview
    buffer: NDArray[np.uint8]
    ahead: bool


@frozen(eq=False)
class _Unpacked:
    """A record's pages; they stand in ``buffer``, to be given back."""

    batch: PageBatch
    buffer: NDArray[np.uint8]


def load(state: Memory, run: RecordRun, context: Context) -> None:
    """Store the pages of every record of ``run``.

    Raises RecordError or UnsupportedError, naming record and offset, for a record that cannot be.
    """
    buffers = Buffers()
    place = _placer(state)

    def unpack(page_map: PageMap, body: _Body) -> _Unpacked | None:
        buffer = buffers.take()
        batch = page_map.batch(unpack_all(page_map, body.octets, buffer))
        if not body.ahead or not place(batch):
            return _Unpacked(batch, buffer)
        buffers.give(buffer)
        return None

    for covered, unpacked in _each(run, context, unpack):
        if unpacked is not None:
            state.store(unpacked.batch)
            buffers.give(unpacked.buffer)
        context.progress(covered)


def _placer(state: Memory) -> Callable[[PageBatch], bool]:
    """``PlacedMemory.placer``; of memory that names none, what takes no batch."""
    placer: Callable[[], Callable[[PageBatch], bool]] | None = getattr(state, "placer", None)
    return placer() if placer is not None else lambda batch: False


def check(run: RecordRun, context: Context) -> None:
    """Unpack and check every frame of every record of ``run``, and keep nothing. Raises as ``load``."""
    for covered, _ in _each(run, context, check_all):
        context.progress(covered)


def _each(run: RecordRun, context: Context, act: Callable[[PageMap, _Body], T]) -> Iterator[tuple[int, T]]:
    """What ``act`` gives for each record of ``run``, in order, and how many octets of guest memory it covers.

    Valid until the next step: the page map stands in a buffer that is used again.
    """
    bodies, blocks = Buffers(MAX_BODY), context.machine.blocks

    def done(body: _Body) -> tuple[_Body, int, T]:
        try:
            page_map = read_map(body.octets, len(body.octets))
            check_place(page_map.head, blocks)
            return body, page_map.head.count << page_map.head.page_shift, act(page_map, body)
        except DomctxError as error:
            error.at(record=body.name, offset=body.offset)
            raise

    for body, covered, found in context.map_ordered(done, _bodies(run, bodies)):
        yield covered, found
        bodies.give(body.buffer)


def _bodies(run: RecordRun, buffers: Buffers) -> Iterator[_Body]:
    """The bodies of ``run``: copied, for what is read of a record is valid until more is read."""
    end = (0, 0)
    for record in run:
        octets, buffer = record.rest(), buffers.take()
        view = buffer.data[: len(octets)]
        view[:] = octets
        block, first, stop = told_extent(view)
        ahead = (block, first) >= end
        end = max(end, (block, stop))
        yield _Body(record_name(run.record_type.name, record.instance), record.offset, view, buffer, ahead)


def unpack_all(page_map: PageMap, octets: memoryview, buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The DATA pages of a record, u8[n, page size], unpacked into ``buffer``."""
    pages = buffer.reshape(-1, 1 << page_map.head.page_shift)[: page_map.head.data]
    for index, (start, end) in enumerate(itertools.pairwise(page_map.starts)):
        page_map.frame(index, octets[start:end], pages[page_map.rows(index)].reshape(-1))
    return pages


def check_all(page_map: PageMap, body: _Body) -> None:
    """Unpack each frame of a record by itself. Raises RecordError for one that is damaged."""
    for index, (start, end) in enumerate(itertools.pairwise(page_map.starts)):
        page_map.frame(index, body.octets[start:end])
