"""ImageMemory: the memory of an opened image, read page by page without loading it."""

from __future__ import annotations

import collections
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from domctx.api import Context, IndexedRecord, RamBlock
from domctx.errors import DomainError, DomctxError
from domctx.states import BlockSource, PageBatch, PageKind
from domctx.values import frozen
from domctx.wire import record_name
from domctx_memory.index import Index, Run
from domctx_memory.layout import HEAD_SIZE, NAME, frame_pages
from domctx_memory.page_map import PageMap, map_size, read_head, read_map
from domctx_memory.pages import Part, absent, assemble, check_blocks, check_range
from domctx_memory.sources import in_batches

FRAME_CACHE: Final = 32 << 20
"""Octets of unpacked frames that are kept."""
MAP_CACHE: Final = 512
"""Page maps that are kept."""

V = TypeVar("V")
Frames = Callable[[int], NDArray[np.uint8]]
"""From the number of a frame to its pages."""


class Cache(Generic[V]):
    """The values that were used last, up to a limit; threads may share it."""

    def __init__(self, limit: int, weight: Callable[[V], int]) -> None:
        self.weight = 0
        self._limit = limit
        self._weigh = weight
        self._values: collections.OrderedDict[tuple[int, int], V] = collections.OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, int], make: Callable[[], V]) -> V:
        """The value of ``key``, made where it is not kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            if key not in self._values:
                self._values[key] = value
                self.weight += self._weigh(value)
            while self.weight > self._limit:
                self.weight -= self._weigh(self._values.popitem(last=False)[1])
        return value


class ImageMemory:
    """Memory over the records of an image. What two records hold, the last one in stream order gives."""

    def __init__(self, records: Sequence[IndexedRecord], context: Context) -> None:
        self._records = records
        self._context = context
        self._maps: Cache[PageMap] = Cache(MAP_CACHE, lambda _: 1)
        self._frames: Cache[NDArray[np.uint8]] = Cache(FRAME_CACHE, lambda frame: frame.nbytes)

    @property
    def blocks(self) -> Sequence[RamBlock]:
        """The blocks, as MANIFEST lists them."""
        return self._context.machine.blocks

    @functools.cached_property
    def index(self) -> Index:
        """Where the pages are; read when first asked for. Raises RecordError for a record that cannot be."""
        check_blocks(self.blocks)
        return Index(self._records, self.blocks)

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """``count`` pages of ``block`` from ``first`` on; only the frames that hold them are unpacked.

        Raises DomainError outside the block, RecordError for a record that cannot be.
        """
        size = 1 << check_range(self.blocks, block, first, count).page_shift
        parts = list(self._parts(block, first, count, self._cached))
        return assemble(absent(block, first, count, size), size, parts)

    def kinds(self, block: int, first: int, count: int) -> NDArray[np.uint8]:
        """The PageKind of ``count`` pages of ``block`` from ``first`` on; no frame is unpacked. Raises as ``read``."""
        check_range(self.blocks, block, first, count)
        found = np.full(count, PageKind.ABSENT, np.uint8)
        for run in self.index.runs(block, first, count):
            page_map = self._map(run.record)
            start = page_map.head.first
            found[run.first - first : run.last - first] = page_map.kinds[run.first - start : run.last - start]
        return found

    def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
        """Every page of every block, ascending, at most ``pages`` at a time; unpacked by all cores at once."""
        return in_batches(self.sources(), self.blocks, pages, self._context.map_ordered)

    def sources(self, pages: int = 1024) -> Iterator[BlockSource | PageBatch]:
        """The blocks, for threads to read."""
        _ = self.index  # made by one thread, before others use it
        for number in range(len(self.blocks)):
            yield BlockSource(number, functools.partial(self._once, number))

    def store(self, batch: PageBatch) -> NoReturn:
        """Raises DomainError: an image is not written to."""
        raise DomainError("the memory of an opened image cannot be written", hint="load it into a domain first")

    def _once(self, block: int, first: int, count: int, buffer: NDArray[np.uint8]) -> PageBatch:
        """Some pages, by frames that nobody asks for again."""
        size = 1 << self.blocks[block].page_shift
        parts = list(self._parts(block, first, count, self._fresh))
        return assemble(absent(block, first, count, size), size, parts, buffer)

    def _parts(
        self, block: int, first: int, count: int, frames: Callable[[int, PageMap, range], Frames]
    ) -> Iterator[Part]:
        for run in self.index.runs(block, first, count):
            page_map = self._map(run.record)
            yield _part(run, first, page_map, functools.partial(frames, run.record, page_map))

    def _map(self, record: int) -> PageMap:
        return self._maps.get((record, 0), lambda: _read_map(self._records[record]))

    def _cached(self, record: int, page_map: PageMap, wanted: range) -> Frames:
        """Frames out of the cache."""

        def frame(index: int) -> NDArray[np.uint8]:
            return self._frames.get(
                (record, index), lambda: self._fresh(record, page_map, range(index, index + 1))(index)
            )

        return frame

    def _fresh(self, record: int, page_map: PageMap, wanted: range) -> Frames:
        """Frames that are read now, in one piece, and unpacked when they are asked for."""
        found = self._records[record]
        start = page_map.starts[wanted.start]
        octets = found.read(start, page_map.starts[wanted.stop] - start) if wanted else memoryview(b"")
        return _Stored(found, page_map, start, octets).frame


@frozen(eq=False)
class _Stored:
    """Packed frames of one record, which stand in its body from ``start`` on."""

    record: IndexedRecord
    page_map: PageMap
    start: int
    octets: memoryview

    def frame(self, index: int) -> NDArray[np.uint8]:
        """The pages of frame ``index``. Raises RecordError, naming the record, where it is damaged."""
        first, last = self.page_map.starts[index], self.page_map.starts[index + 1]
        try:
            return self.page_map.frame(index, self.octets[first - self.start : last - self.start])
        except DomctxError as error:
            error.at(file=self.record.file, record=record_name(NAME, self.record.instance), offset=self.record.offset)
            raise


def _read_map(record: IndexedRecord) -> PageMap:
    try:
        head = read_head(record.read(0, HEAD_SIZE), record.length)
        return read_map(bytes(record.read(0, min(map_size(head), record.length))), record.length)
    except DomctxError as error:
        error.at(file=record.file, record=record_name(NAME, record.instance), offset=record.offset)
        raise


def _part(run: Run, first: int, page_map: PageMap, frames: Callable[[range], Frames]) -> Part:
    """The pages of a run, of those that are asked for from ``first`` on."""
    inside = slice(run.first - page_map.head.first, run.last - page_map.head.first)
    rows = range(int(page_map.ranks[inside.start]), int(page_map.ranks[inside.stop]))
    step = frame_pages(page_map.head.page_shift)
    wanted = range(rows.start // step, -(-rows.stop // step)) if rows else range(0)

    def fetch() -> Iterator[NDArray[np.uint8]]:
        found = frames(wanted)
        for index in wanted:
            low, high = max(rows.start, index * step), min(rows.stop, (index + 1) * step)
            yield found(index)[low - index * step : high - index * step]

    return Part(
        slice(run.first - first, run.last - first),
        page_map.kinds[inside],
        page_map.octets[inside],
        None if page_map.types is None else page_map.types[inside],
        len(rows),
        fetch,
    )
