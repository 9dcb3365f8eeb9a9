"""Where the pages of a block are: runs, never an entry for each page.

Records are noted in stream order, as runs of consecutive pages that stand at one distance from each other. Where runs
overlap the last one counts; ``settle`` cuts away what does not, and unpacks pages that are packed or told as
differences into a spool, where they are runs again.
"""

from __future__ import annotations

import enum
from array import array
from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from domctx.errors import UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LIMIT: Final = 1 << 22
"""Runs that are kept of one block: a hundred million octets of index, for 32 GiB at their most fragmented."""
NONE: Final = -1


class Place(enum.IntEnum):
    """Where the pages of a run stand, and how."""

    FILL = 0
    """Nowhere: one octet repeated; the run's offset is that octet."""
    STREAM = 1
    """In the stream, each behind a word of 8 octets."""
    SPOOL = 2
    """In the spool, one behind the other."""
    ZLIB = 3
    """In the stream, packed: a u32 length and a zlib stream."""
    XBZRLE = 4
    """In the stream, as the difference to what came before."""
    FILE = 5
    """In a file, one behind the other; numbers from here on are files."""


STRIDES: Final = (0, 4104, 4096, 0, 0)
"""By place; pages in files stand one behind the other."""
FILES: Final = len(STRIDES)
PACKED: Final = (int(Place.ZLIB), int(Place.XBZRLE))


def stride(place: int) -> int:
    """Octets from one page of a run to the next."""
    return STRIDES[place] if place < FILES else 4096


Unpack = Callable[[int, int, bytes], bytes]
"""(place, offset, what the page was before): the page."""


class Runs:
    """The runs of one block."""

    def __init__(self, pages: int, unpack: Unpack, keep: Callable[[bytes], int], fetch: Unpack) -> None:
        self.pages = pages
        self.noted = 0
        """Pages that were noted, each as often as it was."""
        self._unpack, self._keep, self._fetch = unpack, keep, fetch
        self._firsts, self._counts, self._offsets = array("q"), array("q"), array("q")
        self._places = array("i")
        self._next, self._next_offset, self._place = NONE, NONE, NONE
        self._settled: Settled | None = None

    def __len__(self) -> int:
        return len(self._firsts)

    def add(self, first: int, count: int, offset: int, place: int) -> None:
        """Note ``count`` pages from ``first`` on; joined to the run before where they go on with it."""
        step = STRIDES[place] if place < FILES else 4096
        self.noted += count
        if first == self._next and place == self._place and offset == self._next_offset:
            self._counts[-1] += count
        else:
            if len(self._firsts) >= LIMIT:
                self._compact()
            self._firsts.append(first)
            self._counts.append(count)
            self._offsets.append(offset)
            self._places.append(place)
        self._next, self._next_offset = NONE if place in PACKED else first + count, offset + step * count
        self._place = place
        self._settled = None

    def settle(self) -> Settled:
        """The runs as they count: ascending, none overlapping, every page in a form in which it can be read."""
        import numpy as np

        if self._settled is None:
            columns = self._columns()
            order = np.argsort(columns.firsts, kind="stable")
            found = columns.take(order)
            packed = np.isin(found.places, (Place.ZLIB, Place.XBZRLE)).any()
            if packed or (found.ends[:-1] > found.firsts[1:]).any():
                found = self._resolve(columns)
            self._settled = found
        return self._settled

    def _columns(self) -> Settled:
        import numpy as np

        views = (self._firsts, self._counts, self._offsets)
        firsts, counts, offsets = (np.array(view, dtype=np.int64) for view in views)
        return Settled(firsts, counts, offsets, np.array(self._places, dtype=np.int32))

    def _compact(self) -> None:
        """Make room. Raises UnsupportedError where all runs count."""
        found = self.settle()
        if len(found.firsts) > LIMIT // 2:
            hint = "convert it where it was saved: save it again with mapped-ram, or without balloon and live rounds"
            raise UnsupportedError(f"the pages come in more than {LIMIT // 2} runs", hint=hint)
        self._firsts, self._counts = array("q", found.firsts.tobytes()), array("q", found.counts.tobytes())
        self._offsets, self._places = array("q", found.offsets.tobytes()), array("i", found.places.tobytes())

    def _resolve(self, columns: Settled) -> Settled:
        """Cut the block where runs begin and end, and let each piece belong to the last run that covers it."""
        import numpy as np

        edges = np.unique(np.concatenate((columns.firsts, columns.ends)))
        lows = np.searchsorted(edges, columns.firsts).tolist()
        highs = np.searchsorted(edges, columns.ends).tolist()
        owner = np.full(len(edges), NONE, dtype=np.int64)
        before = np.full(len(lows), NONE, dtype=np.int64)
        for run, (low, high, place) in enumerate(zip(lows, highs, self._places, strict=True)):
            if place == Place.XBZRLE:
                before[run] = owner[low]
            owner[low:high] = run
        found = Runs(self.pages, self._unpack, self._keep, self._fetch)
        for piece in np.flatnonzero(owner[:-1] != NONE).tolist():
            self._put(found, int(owner[piece]), int(edges[piece]), int(edges[piece + 1]), before)
        return found._columns()

    def _put(self, found: Runs, run: int, low: int, high: int, before: NDArray[np.int64]) -> None:
        """Pages ``low`` .. ``high`` of ``run``, unpacked where they are packed."""
        place = self._places[run]
        if place in (Place.ZLIB, Place.XBZRLE):
            found.add(low, high - low, self._keep(self._unpacked(run, before)), Place.SPOOL)
        else:
            found.add(low, high - low, self._offsets[run] + stride(place) * (low - self._firsts[run]), place)

    def _unpacked(self, run: int, before: NDArray[np.int64]) -> bytes:
        """The one page of a packed run: from the version that is whole on, one difference after the other."""
        page = self._firsts[run]
        chain = [run]
        while chain[-1] != NONE and self._places[chain[-1]] == Place.XBZRLE:
            chain.append(int(before[chain[-1]]))
        octets = bytes(4096)
        for each in reversed(chain):
            if each != NONE:
                place = self._places[each]
                offset = self._offsets[each] + stride(place) * (page - self._firsts[each])
                packed = place in (Place.ZLIB, Place.XBZRLE)
                octets = (self._unpack if packed else self._fetch)(place, offset, octets)
        return octets


class Settled:
    """Runs as columns: first page, number of pages, offset, place."""

    def __init__(
        self,
        firsts: NDArray[np.int64],
        counts: NDArray[np.int64],
        offsets: NDArray[np.int64],
        places: NDArray[np.int32],
    ) -> None:
        self.firsts, self.counts, self.offsets, self.places = firsts, counts, offsets, places
        self.ends = firsts + counts
        self._numbers = (firsts.data, self.ends.data, offsets.data, places.data)
        """The same columns, to be asked for one number: a tenth of what an array takes for it."""

    def take(self, order: NDArray[np.intp]) -> Settled:
        """The runs in another order."""
        return Settled(self.firsts[order], self.counts[order], self.offsets[order], self.places[order])

    @property
    def told(self) -> int:
        """How many pages the runs cover."""
        return int(self.counts.sum())

    def at(self, page: int) -> tuple[int, int] | None:
        """Place and offset of one page; None where no run has it."""
        firsts, ends, offsets, places = self._numbers
        run = bisect_right(firsts, page) - 1
        if run < 0 or page >= ends[run]:
            return None
        place = places[run]
        step = STRIDES[place] if place < FILES else 4096
        return place, offsets[run] + (page - firsts[run]) * step

    def within(self, first: int, count: int) -> range:
        """The runs that have pages of ``first`` .. ``first + count``."""
        low = int(self.ends.searchsorted(first, side="right"))
        return range(low, int(self.firsts.searchsorted(first + count, side="left")))
