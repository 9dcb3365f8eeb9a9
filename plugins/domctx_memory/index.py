"""Which record holds which page: runs of pages, one for each record, in columns; never an entry for each page."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domctx import schema
from domctx.api import IndexedRecord, RamBlock
from domctx.errors import DomctxError
from domctx.wire import record_name
from domctx_memory.layout import HEAD_SIZE, NAME, MemoryHead
from domctx_memory.page_map import check_place, read_head


class Run(NamedTuple):
    """Pages ``first`` .. ``last`` (not included) of a block, and the place of their record in stream order."""

    first: int
    last: int
    record: int


class Index:
    """The runs of every block, ascending and without overlap."""

    def __init__(self, records: Sequence[IndexedRecord], blocks: Sequence[RamBlock]) -> None:
        """Read the head of every record. Raises RecordError or UnsupportedError, naming the record that cannot be."""
        heads = np.frombuffer(b"".join(_head(record, blocks) for record in records), schema.dtype(MemoryHead))
        order = np.lexsort((heads["first"], heads["block"]))
        edges = np.searchsorted(heads["block"][order], np.arange(len(blocks) + 1)).tolist()
        self._columns = [_runs(heads, order[start:stop]) for start, stop in itertools.pairwise(edges)]

    def runs(self, block: int, first: int, count: int) -> Iterator[Run]:
        """The runs of ``block`` that hold some of the pages, cut to them, ascending; none where ``count`` is 0."""
        firsts, lasts, records = self._columns[block]
        place = int(np.searchsorted(lasts, first, side="right"))
        while count and place < len(firsts) and firsts[place] < first + count:
            yield Run(max(first, int(firsts[place])), min(first + count, int(lasts[place])), int(records[place]))
            place += 1

    @property
    def nbytes(self) -> int:
        """Octets of memory that the columns take."""
        return sum(column.nbytes for columns in self._columns for column in columns)


Columns = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]]


def _head(record: IndexedRecord, blocks: Sequence[RamBlock]) -> bytes:
    try:
        octets = bytes(record.read(0, min(HEAD_SIZE, record.length)))
        check_place(read_head(octets, record.length), blocks)
    except DomctxError as error:
        error.at(file=record.file, record=record_name(NAME, record.instance), offset=record.offset)
        raise
    return octets


def _runs(heads: NDArray[np.void], order: NDArray[np.intp]) -> Columns:
    """The runs of one block as columns: firsts, lasts and records; ``order`` are its records by their first pages."""
    records: NDArray[np.uint32] = order.astype(np.uint32)
    firsts: NDArray[np.uint64] = heads["first"][order].astype(np.uint64)
    lasts: NDArray[np.uint64] = firsts + heads["count"][order]
    if (firsts[1:] < lasts[:-1]).any():
        return _resolved(firsts, lasts, records)
    return firsts, lasts, records


def _resolved(firsts: NDArray[np.uint64], lasts: NDArray[np.uint64], records: NDArray[np.uint32]) -> Columns:
    """Overlapping runs, ascending by their firsts, made disjoint: of each page the last record in stream order."""
    starts = list(zip(firsts.tolist(), lasts.tolist(), records.tolist(), strict=True))
    found: list[Run] = []
    live: list[tuple[int, int]] = []  # (-record, last), the latest record on top
    place = position = 0
    while place < len(starts) or live:
        if not live:
            position = starts[place][0]
        while place < len(starts) and starts[place][0] <= position:
            heapq.heappush(live, (-starts[place][2], starts[place][1]))
            place += 1
        while live and live[0][1] <= position:
            heapq.heappop(live)
        if live:
            last = min(live[0][1], starts[place][0]) if place < len(starts) else live[0][1]
            _append(found, Run(position, last, -live[0][0]))
            position = last
    columns = np.array(found, np.uint64).reshape(-1, 3).T
    return columns[0].copy(), columns[1].copy(), columns[2].astype(np.uint32)


def _append(found: list[Run], run: Run) -> None:
    """Append a run, joined with the one before it where both are of one record."""
    if found and (found[-1].last, found[-1].record) == (run.first, run.record):
        found[-1] = found[-1]._replace(last=run.last)
    else:
        found.append(run)
