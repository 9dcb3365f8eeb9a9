"""Lays pages out as the records of a RAM section, many at once (formats/qemu.md 2.1).

A record is a word of address and flags, and then the page's 4096 octets, or one octet where it is zero. The first
record of a block carries the block's name; those that follow go on with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from domctx.errors import DomainError
from domctx.states import PageBatch, PageKind
from domctx_qemu_stream.layout import PAGE_SHIFT, PAGE_SIZE, Flag

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORD: Final = 8
"""Octets of a word."""
FULL: Final = WORD + PAGE_SIZE
ZERO: Final = WORD + 1
AT_ONCE: Final = 1024
"""Pages that are laid out at once."""
KNOWN: Final = (PageKind.DATA, PageKind.ZERO, PageKind.FILL, PageKind.ABSENT)


class Records:
    """Lays out one batch after the other, and remembers of which block the last record was.

    ``names`` are the blocks' names; ``flat`` is for a RAM section without a list of blocks, whose records have none.
    """

    def __init__(self, names: Sequence[str], *, flat: bool = False) -> None:
        self._names = names
        self._last: int | None = 0 if flat else None
        self._continue = 0 if flat else int(Flag.CONTINUE)
        longest = max(map(len, names), default=0)
        self._buffer = np.empty(AT_ONCE * FULL + 1 + longest, np.uint8)

    def pieces(self, batch: PageBatch) -> Iterator[memoryview]:
        """The records of a batch, in pieces; each is valid until the next is asked for. Absent pages have none.

        Pages of one octet other than zero are written whole: QEMU 8.2 and later take no other (formats/qemu.md 2.1).
        Raises DomainError for kinds of pages that QEMU has not.
        """
        self._check(batch)
        row = fill = 0
        for low in range(0, batch.count, AT_ONCE):
            kinds = batch.kinds[low : low + AT_ONCE]
            rows, filled = (int((kinds == kind).sum()) for kind in (PageKind.DATA, PageKind.FILL))
            pages = batch.pages[row : row + rows]
            fills = np.empty(0, np.uint8) if batch.fills is None else batch.fills[fill : fill + filled]
            yield self._piece(PageBatch(batch.block, batch.first + low, kinds, pages, fills))
            row, fill = row + rows, fill + filled

    def _check(self, batch: PageBatch) -> None:
        strange = ~np.isin(batch.kinds, KNOWN)
        if strange.any():
            place = int(np.argmax(strange))
            kind = PageKind(int(batch.kinds[place])).name
            page = batch.first + place
            raise DomainError(
                f"page 0x{page:x} of RAM block {self._names[batch.block]!r} is {kind}: QEMU's RAM has no such pages"
            )

    def _piece(self, batch: PageBatch) -> memoryview:
        kinds, fills = batch.kinds, np.zeros(batch.count, np.uint8)
        if batch.fills is not None:
            fills[kinds == PageKind.FILL] = batch.fills
        whole = (kinds == PageKind.DATA) | (fills != 0)
        sent = np.flatnonzero(kinds != PageKind.ABSENT)
        if not len(sent):
            return memoryview(b"")
        sizes = np.where(whole, FULL, ZERO)
        sizes[kinds == PageKind.ABSENT] = 0
        name = self._name(batch.block)
        sizes[sent[0]] += len(name)
        ends = sizes.cumsum()
        self._words(batch.first + sent, whole[sent], ends[sent] - sizes[sent], named=bool(name))
        self._buffer[WORD : WORD + len(name)] = np.frombuffer(name, np.uint8)
        self._buffer[ends[sent[~whole[sent]]] - 1] = 0
        self._pages(kinds, batch.pages, ends)
        self._fills(whole & (kinds == PageKind.FILL), fills, ends)
        return self._buffer.data[: int(ends[-1])]

    def _name(self, block: int) -> bytes:
        """What stands in the first record of a piece behind its word."""
        if block == self._last:
            return b""
        self._last = block
        name = self._names[block].encode("latin-1")
        return bytes((len(name),)) + name

    def _words(
        self, pages: NDArray[np.int64], whole: NDArray[np.bool_], starts: NDArray[np.int64], *, named: bool
    ) -> None:
        flags = np.where(whole, int(Flag.PAGE), int(Flag.ZERO)) | self._continue
        if named:
            flags[0] ^= int(Flag.CONTINUE)
        words = (pages << PAGE_SHIFT | flags).astype(">u8").view(np.uint8).reshape(-1, WORD)
        self._buffer[starts[:, np.newaxis] + np.arange(WORD)] = words

    def _pages(self, kinds: NDArray[np.uint8], pages: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        row = 0
        for low, high in _runs(kinds == PageKind.DATA):
            self._room(low, high, ends)[:] = pages[row : row + high - low]
            row += high - low

    def _fills(self, which: NDArray[np.bool_], fills: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        for low, high in _runs(which):
            self._room(low, high, ends)[:] = fills[low:high, np.newaxis]

    def _room(self, low: int, high: int, ends: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Where the octets of consecutive pages go, u8[n, 4096]."""
        offset = int(ends[low]) - PAGE_SIZE
        return np.ndarray((high - low, PAGE_SIZE), np.uint8, self._buffer.data, offset, (FULL, 1))


def _runs(which: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where runs of True begin and end."""
    edges = np.flatnonzero(np.diff(which, prepend=False, append=False))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
