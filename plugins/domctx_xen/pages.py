"""PAGE_DATA: which page stands where. Many records are taken together, so that small ones cost little each."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import numpy as np

from domctx.errors import StreamError
from domctx.files import StreamFile
from domctx.schema import size_of
from domctx.values import frozen
from domctx_xen.layout import PAGE_SIZE, PAGE_TYPES, PFN_BITS, TYPE_BITS, Counted
from domctx_xen.runs import Runs, carries, runs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD: Final = size_of(Counted)
COUNTED: Final = struct.Struct("<II")
"""A ``layout.Counted``; there may be a hundred thousand of them."""
MAX_PFN: Final = (1 << 40) - 1
"""The last page that an x86 machine can have: 4 PiB."""
SLICE: Final = 1 << 18
"""Words of pages that are looked at together."""
NO_PFN: Final = -1
"""Less than any page."""
KNOWN: Final = np.isin(np.arange(16), PAGE_TYPES)
"""Which types there are."""
KNOWN.flags.writeable = False


@frozen(eq=False)
class Slice:
    """Words of one record: ``words`` u64 from offset ``at`` on; the octets of their pages from ``data_at`` on.

    ``rows`` is how many pages' octets the record has room for, None where more words of it follow.
    """

    words: NDArray[np.uint64]
    at: int
    data_at: int
    rows: int | None


class PageData:
    """Takes PAGE_DATA records, and notes their pages as runs. ``max_pfn`` is known before the first one."""

    def __init__(self, file: StreamFile) -> None:
        self.runs = Runs()
        self.max_pfn = MAX_PFN
        self.told = 0
        """Words that were read, of whatever type."""
        self.last = NO_PFN
        """The largest PFN that was told."""
        self.records = 0
        self.reserved: int | None = None
        """The offset of the first octet that should be zero and is not."""
        self._file = file
        self._slices: list[Slice] = []
        self._pending = 0

    def take(self, body: int, length: int) -> None:
        """Take the record whose body stands at ``body``. Raises StreamError."""
        if length < HEAD:
            raise _wrong_length(body, f"at least 0x{HEAD:08x}", length)
        count, reserved = COUNTED.unpack(self._file.take(body, HEAD, "a PAGE_DATA record"))
        if not count:
            raise StreamError("a PAGE_DATA record of no page", offset=body, expected="at least 1", got=0)
        data_at = body + HEAD + 8 * count
        room = body + length - data_at
        if room < 0 or room % PAGE_SIZE or room // PAGE_SIZE > count:
            raise _wrong_length(body, f"0x{HEAD + 8 * count:08x} and 0x1000 for each page with octets", length)
        if reserved and self.reserved is None:
            self.reserved = body + 4
        self.records += 1
        self._split(body + HEAD, count, data_at, room // PAGE_SIZE)

    def _split(self, at: int, count: int, data_at: int, rows: int) -> None:
        for start in range(0, count, SLICE):
            size = min(SLICE, count - start)
            octets = self._file.take(at + 8 * start, 8 * size, "the pages of a PAGE_DATA record")
            words = np.frombuffer(octets, "<u8")
            whole = start + size == count
            self._slices.append(Slice(words, at + 8 * start, data_at, rows if whole else None))
            self._pending += size
            if not whole:
                some = int(np.count_nonzero(carries((words >> np.uint64(TYPE_BITS)).astype(np.uint8))))
                data_at, rows = data_at + some * PAGE_SIZE, rows - some
            if self._pending >= SLICE:
                self.flush()

    def flush(self) -> None:
        """Note what was taken. Raises StreamError for a page or type that cannot be."""
        if not self._slices:
            return
        slices, self._slices, self._pending = self._slices, [], 0
        words = np.concatenate([each.words for each in slices])
        lengths = np.array([len(each.words) for each in slices])
        starts = np.cumsum(lengths) - lengths
        types = (words >> np.uint64(TYPE_BITS)).astype(np.uint8)
        pfns = (words & np.uint64((1 << PFN_BITS) - 1)).astype(np.int64)
        place = _Places(slices, starts)
        self._check(words, types, pfns, place)
        data = carries(types)
        rows: NDArray[np.int64] = np.cumsum(data) - data
        first_rows: NDArray[np.int64] = rows[starts]
        found = np.append(first_rows[1:], rows[-1] + data[-1]) - first_rows
        _check_rows(found, slices)
        base = np.array([each.data_at for each in slices]) - first_rows * PAGE_SIZE
        offsets = np.where(data, np.repeat(base, lengths) + rows * PAGE_SIZE, 0)
        self.runs.add(runs_of(pfns, offsets, types))
        self.told += len(words)
        self.last = max(self.last, int(pfns.max()))

    def _check(
        self, words: NDArray[np.uint64], types: NDArray[np.uint8], pfns: NDArray[np.int64], place: _Places
    ) -> None:
        unknown = ~KNOWN[types]
        if unknown.any():
            first = int(np.argmax(unknown))
            message = "a page of a type that is reserved"
            raise StreamError(
                message, offset=place.of(first), expected="0x0 to 0x4, 0x9 to 0xf", got=f"0x{int(types[first]):x}"
            )
        if int(pfns.max()) > self.max_pfn:
            first = int(np.argmax(pfns > self.max_pfn))
            raise StreamError(
                "a page past the domain's last",
                offset=place.of(first),
                expected=f"at most 0x{self.max_pfn:016x}",
                got=f"0x{int(pfns[first]):016x}",
            )
        odd = (words >> np.uint64(PFN_BITS)) & np.uint64(0xFF)
        if self.reserved is None and odd.any():
            self.reserved = place.of(int(np.argmax(odd != 0)))


@frozen(eq=False)
class _Places:
    """From the place of a word among many to its offset in the file."""

    slices: list[Slice]
    starts: NDArray[np.int64]

    def of(self, word: int) -> int:
        each = int(np.searchsorted(self.starts, word, side="right")) - 1
        return self.slices[each].at + 8 * (word - int(self.starts[each]))


def _check_rows(found: NDArray[np.int64], slices: list[Slice]) -> None:
    expected = np.array([some if each.rows is None else each.rows for each, some in zip(slices, found, strict=True)])
    wrong = found != expected
    if wrong.any():
        first = int(np.argmax(wrong))
        raise StreamError(
            "a PAGE_DATA record is not as long as its pages ask for",
            offset=slices[first].at - HEAD,
            expected=f"the octets of 0x{int(found[first]):x} pages",
            got=f"of 0x{int(expected[first]):x}",
        )


def _wrong_length(body: int, expected: str, length: int) -> StreamError:
    message = "a PAGE_DATA record has the wrong length"
    return StreamError(message, offset=body - 4, expected=expected, got=f"0x{length:08x}")
