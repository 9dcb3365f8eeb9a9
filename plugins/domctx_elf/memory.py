"""The memory of a core: runs of guest-physical octets and where they stand in the file; pages are read at random."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domctx.api import Placement, RamBlock
from domctx.errors import DomainError, StreamError, UnsupportedError
from domctx.files import RandomFile
from domctx.states import BlockSource, PageBatch, PageKind
from domctx.values import frozen
from domctx_memory.pages import check_range
from domctx_memory.silence import believed
from domctx_memory.sources import in_batches

PAGE_SHIFT: Final = 12
PAGE: Final = 1 << PAGE_SHIFT
MAX_BLOCKS: Final = 1 << 16
SPARSE: Final = 1024
"""Pages that are believed not to be in the file for each that is: some tools leave out what holds zeros."""


@frozen(eq=False)
class Runs:
    """Runs of one block, ascending, without overlaps: i64 arrays of octets.

    Run ``i`` stands from ``starts[i]`` on in the block, of its ``lengths[i]`` octets ``filled[i]`` in the file from
    ``offsets[i]`` on; the others are not told.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    offsets: NDArray[np.int64]
    filled: NDArray[np.int64]


def blocks_of(loads: NDArray[Any]) -> tuple[list[RamBlock], list[Runs]]:
    """A block for each stretch of guest-physical memory, ascending; what several segments hold counts once.

    Raises UnsupportedError for a process's core, and for one of memory that is not in it; StreamError for too many
    stretches.
    """
    if len(loads) > 1 and not loads["paddr"].any():
        hint = "a machine's core says where its memory stands (p_paddr)"
        raise UnsupportedError("is the core of a process", hint=hint)
    loads = loads[np.argsort(loads["paddr"], kind="stable")]
    starts, sizes, places, filled = (loads[name].astype(np.int64) for name in ("paddr", "memsz", "offset", "filesz"))
    ends = starts + sizes
    reached = np.maximum.accumulate(np.concatenate([[0], ends]))[:-1]
    cut = np.maximum(reached - starts, 0)
    kept = cut < sizes
    starts, sizes, places, filled = starts + cut, sizes - cut, places + cut, np.maximum(filled - cut, 0)
    _check_silence(int(sizes[kept].sum()) >> PAGE_SHIFT, int(filled[kept].sum()) >> PAGE_SHIFT)
    firsts = np.flatnonzero(kept & (starts > reached) | kept & (np.arange(len(starts)) == 0))
    if len(firsts) > MAX_BLOCKS:
        raise StreamError("memory is in too many pieces", expected=f"at most {MAX_BLOCKS}", got=len(firsts))
    blocks, runs = [], []
    for low, high in zip(firsts, [*firsts[1:], len(starts)], strict=False):
        chosen = np.flatnonzero(kept[low:high]) + low
        base = starts[chosen[0]]
        runs.append(Runs(starts[chosen] - base, sizes[chosen], places[chosen], filled[chosen]))
        size = int(starts[chosen[-1]] + sizes[chosen[-1]] - base)
        blocks.append(RamBlock(f"ram@0x{base:x}", size, PAGE_SHIFT, (Placement(int(base), 0, size),)))
    return blocks, runs


def _check_silence(pages: int, told: int) -> None:
    if pages - told > believed(told, SPARSE):
        raise UnsupportedError(
            "next to nothing of its memory is in the file",
            expected=f"0x{SPARSE:x} pages at most for each of the 0x{told:x} that are",
            got=f"0x{pages:x}",
        )


class CoreMemory:
    """The memory of an opened core; nothing can be stored. Pages that are partly in the file are DATA."""

    def __init__(
        self,
        file: RandomFile,
        blocks: Sequence[RamBlock],
        runs: Sequence[Runs],
        missing: PageKind = PageKind.ABSENT,
    ) -> None:
        self._file, self._blocks, self._runs, self._missing = file, tuple(blocks), runs, np.uint8(missing)

    @property
    def blocks(self) -> Sequence[RamBlock]:
        """One for each stretch of memory, ascending."""
        return self._blocks

    def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
        """Every page; the arrays are valid until the next step."""
        return in_batches(self.sources(), self._blocks, pages)

    def sources(self, pages: int = 1024) -> Iterator[BlockSource | PageBatch]:
        """The blocks, for threads to read."""
        for number in range(len(self._blocks)):
            yield BlockSource(number, functools.partial(self._batch, number))

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """Some pages. Raises DomainError outside the block, StreamError where the file was cut meanwhile."""
        check_range(self._blocks, block, first, count)
        return self._batch(block, first, count, np.empty(count << PAGE_SHIFT, np.uint8))

    def kinds(self, block: int, first: int, count: int) -> NDArray[np.uint8]:
        """The PageKind of some pages, without reading them."""
        check_range(self._blocks, block, first, count)
        found = np.full(count, self._missing)
        runs, low, high = self._runs[block], first << PAGE_SHIFT, (first + count) << PAGE_SHIFT
        for index in range(*self._between(runs, low, high)):
            start = int(runs.starts[index])
            stop = min(start + int(runs.filled[index]), high)
            if max(start, low) < stop:
                found[(max(start, low) - low) >> PAGE_SHIFT : -(-(stop - low) >> PAGE_SHIFT)] = PageKind.DATA
        return found

    def store(self, batch: PageBatch) -> None:
        """Raises DomainError."""
        raise DomainError("an opened core takes nothing")

    def _batch(self, block: int, first: int, count: int, buffer: NDArray[np.uint8]) -> PageBatch:
        rows = buffer.reshape(-1, PAGE)[:count]
        octets, low = rows.reshape(-1), first << PAGE_SHIFT
        octets[:] = 0
        told = np.zeros(count, bool)
        runs = self._runs[block]
        high = low + len(octets)
        for index in range(*self._between(runs, low, high)):
            start = int(runs.starts[index])
            stop = min(start + int(runs.filled[index]), high)
            place = max(start, low)
            if place < stop:
                self._fill(int(runs.offsets[index]) + place - start, octets[place - low : stop - low])
                told[(place - low) >> PAGE_SHIFT : -(-(stop - low) >> PAGE_SHIFT)] = True
        kinds = np.where(told, np.uint8(PageKind.DATA), self._missing)
        return PageBatch(block, first, kinds, rows if told.all() else rows[told])

    def _between(self, runs: Runs, low: int, high: int) -> tuple[int, int]:
        """The first run that may reach behind ``low``, and the first that begins at ``high`` or behind."""
        begin = int(np.searchsorted(runs.starts, low, side="right")) - 1
        return max(begin, 0), int(np.searchsorted(runs.starts, high))

    def _fill(self, offset: int, octets: NDArray[np.uint8]) -> None:
        if self._file.fill(offset, octets.data) < len(octets):
            raise StreamError("the file ends before its memory does", offset=offset)
