"""Where the pages are: runs, never an entry for each page.

A run is of consecutive PFNs of one page type which, where the type carries octets, stand one behind the other in the
file. Runs are noted in stream order; where they overlap the last one counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from domctx.errors import UnsupportedError
from domctx.values import frozen
from domctx_xen.layout import BROKEN, PAGE_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMIT: Final = 1 << 21
"""Runs that are kept: fifty million octets of index, for 8 GiB at their most fragmented."""
PENDING: Final = 1 << 19
"""Runs that are gathered before they are settled."""
PARTS: Final = 1 << 10
"""Columns that are kept one beside the other: a checkpointed stream has some more for each of its checkpoints."""
SPAN: Final = 1 << 23
"""Pages, of 32 GiB, up to which overlapping runs are painted page by page; of more by the edges of runs."""
STEP: Final = 1 << 20
"""Places that are painted at once."""
NONE: Final = -1


@frozen(eq=False)
class Columns:
    """Runs: first PFN i64, number of pages i64, offset of the first in the file i64 (0 without octets), type u8."""

    firsts: NDArray[np.int64]
    counts: NDArray[np.int64]
    offsets: NDArray[np.int64]
    types: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.firsts)

    @property
    def ends(self) -> NDArray[np.int64]:
        """The first PFN behind each run."""
        return self.firsts + self.counts

    def take(self, order: NDArray[np.intp] | slice) -> Columns:
        """Some of the runs, in another order."""
        return Columns(self.firsts[order], self.counts[order], self.offsets[order], self.types[order])

    def within(self, first: int, count: int) -> range:
        """Of runs that ascend and do not overlap: those that have pages of ``first`` .. ``first + count``."""
        low = int(np.searchsorted(self.ends, first, side="right"))
        return range(low, int(np.searchsorted(self.firsts, first + count, side="left")))


def no_runs() -> Columns:
    """No run."""
    none = np.empty(0, np.int64)
    return Columns(none, none, none, np.empty(0, np.uint8))


def carries(types: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which of these page types come with octets."""
    found: NDArray[np.bool_] = types < BROKEN
    return found


def runs_of(pfns: NDArray[np.int64], offsets: NDArray[np.int64], types: NDArray[np.uint8]) -> Columns:
    """The runs of single pages in stream order; ``offsets`` are 0 where a type carries no octets."""
    step = np.where(carries(types), PAGE_SIZE, 0)
    cuts = (np.diff(pfns) != 1) | (types[1:] != types[:-1]) | (np.diff(offsets) != step[:-1])
    starts = np.concatenate((np.zeros(min(len(pfns), 1), np.intp), np.flatnonzero(cuts) + 1))
    counts = np.diff(np.concatenate((starts, np.full(1, len(pfns)))))
    return Columns(pfns[starts], counts.astype(np.int64), offsets[starts], types[starts])


def joined(parts: list[Columns]) -> Columns:
    """Runs one behind the other."""
    if not parts:
        return no_runs()
    return Columns(
        np.concatenate([part.firsts for part in parts]),
        np.concatenate([part.counts for part in parts]),
        np.concatenate([part.offsets for part in parts]),
        np.concatenate([part.types for part in parts]),
    )


class Runs:
    """Collects runs. What comes behind ``keep`` can be dropped again."""

    def __init__(self) -> None:
        self._parts: list[Columns] = []
        self._kept: list[Columns] = []
        self._kept_count = self._count = self._settled = self._again = 0
        self.repeated = 0
        """Pages that were told again, as far as runs were settled."""

    def __len__(self) -> int:
        return self._kept_count + self._count

    def add(self, found: Columns) -> None:
        """Note runs. Raises UnsupportedError where there are too many."""
        self._parts.append(found)
        self._count += len(found)
        if self._count > self._settled + PENDING:
            self._compact()

    def keep(self) -> None:
        """Everything that came so far counts."""
        self._kept += self._parts
        self._kept_count += self._count
        if len(self._kept) > PARTS:
            self._kept = [joined(self._kept)]
        self.repeated += self._again
        self.drop()

    def drop(self) -> None:
        """What came since ``keep`` does not count."""
        self._parts, self._count, self._settled, self._again = [], 0, 0, 0

    def settle(self) -> Columns:
        """The runs that were kept as they count: ascending, none overlapping."""
        kept = joined(self._kept)
        found = settled(kept)
        self.repeated += _pages(kept) - _pages(found)
        self._kept, self._kept_count = [found], len(found)
        return found

    def _compact(self) -> None:
        self.settle()
        gathered = joined(self._parts)
        later = settled(gathered)
        self._again += _pages(gathered) - _pages(later)
        self._parts, self._count, self._settled = [later], len(later), len(later)
        if len(self) > LIMIT:
            hint = "save the domain again with xl save: a live migration sends pages in no order"
            raise UnsupportedError(f"the pages come in more than {LIMIT} runs", hint=hint)


def _pages(runs: Columns) -> int:
    return int(runs.counts.sum())


def settled(runs: Columns) -> Columns:
    """Runs as they count: ascending, none overlapping, the last of them where they do."""
    if (runs.ends[:-1] <= runs.firsts[1:]).all():
        return _merged(runs)
    low, high = int(runs.firsts.min()), int(runs.ends.max())
    return _merged(_by_page(runs, low, high) if high - low <= SPAN else _by_edge(runs))


def _by_page(runs: Columns, low: int, high: int) -> Columns:
    """Let each page belong to the last run that covers it."""
    owner = np.full(high - low, NONE, np.int32)
    _paint(owner, runs.firsts - low, runs.ends - low)
    starts = np.flatnonzero(np.diff(owner, prepend=NONE - 1))
    stops = np.append(starts[1:], len(owner))
    told = owner[starts] != NONE
    return _pieces(runs, owner[starts[told]], starts[told] + low, stops[told] + low)


def _by_edge(runs: Columns) -> Columns:
    """Cut the PFNs where runs begin and end, and let each piece belong to the last run that covers it."""
    edges, places = np.unique(np.concatenate((runs.firsts, runs.ends)), return_inverse=True)
    owner = np.full(len(edges), NONE, np.int32)
    _paint(owner, places[: len(runs)], places[len(runs) :])
    told = np.flatnonzero(owner != NONE)
    return _pieces(runs, owner[told], edges[told], edges[told + 1])


def _pieces(runs: Columns, owners: NDArray[np.int32], firsts: NDArray[np.int64], stops: NDArray[np.int64]) -> Columns:
    """Pieces of runs: of run ``owners[i]`` the pages ``firsts[i]`` to ``stops[i]``."""
    types = runs.types[owners]
    into = np.where(carries(types), (firsts - runs.firsts[owners]) * PAGE_SIZE, 0)
    return Columns(firsts, stops - firsts, runs.offsets[owners] + into, types)


def _paint(owner: NDArray[np.int32], lows: NDArray[np.intp], highs: NDArray[np.intp]) -> None:
    """Put the number of each run, in order, into ``owner[low:high]``."""
    sizes = highs - lows
    done = np.cumsum(sizes)
    start = 0
    while start < len(lows):
        before = int(done[start] - sizes[start])
        stop = max(start + 1, int(np.searchsorted(done, before + STEP, side="right")))
        if stop == start + 1:
            owner[lows[start] : highs[start]] = start
        else:
            part = sizes[start:stop]
            places = np.arange(int(part.sum())) - np.repeat(done[start:stop] - part - before, part)
            owner[places + np.repeat(lows[start:stop], part)] = np.repeat(np.arange(start, stop), part)
        start = stop


def _merged(runs: Columns) -> Columns:
    """Ascending runs, with those that go on with each other made one."""
    if len(runs) < 2:
        return runs
    step = np.where(carries(runs.types), runs.counts * PAGE_SIZE, 0)
    goes_on = (runs.firsts[1:] == runs.ends[:-1]) & (runs.types[1:] == runs.types[:-1])
    goes_on &= np.diff(runs.offsets) == step[:-1]
    if not goes_on.any():
        return runs
    starts = np.concatenate((np.zeros(1, np.intp), np.flatnonzero(~goes_on) + 1))
    found = runs.take(starts)
    lasts = np.concatenate((starts[1:] - 1, np.full(1, len(runs) - 1)))
    return Columns(found.firsts, runs.ends[lasts] - found.firsts, found.offsets, found.types)
