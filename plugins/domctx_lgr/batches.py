"""Reads the variants whose pages come in batches: B, and the live saves C1 and C2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from domctx.errors import StreamError
from domctx.files import CutError
from domctx.schema import decode
from domctx.states import PageKind, PageType
from domctx_cpu.layout import CONTEXT_SIZE, FullExecutionContext
from domctx_lgr.arrays import read_blocks
from domctx_lgr.content import Content, Scattered, check_context, check_frame_page, first_bad, take, words
from domctx_lgr.layout import (
    C1,
    C2,
    CONTEXT,
    FRAME_LIST,
    LAST_CARRYING,
    MAX_BATCH,
    MAX_TYPE,
    PAGES,
    RESEND_MARKER,
    Header,
    Variant,
    names,
)
from domctx_x86 import PAGE_SHIFT, PAGE_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from domctx_lgr.files import Octets

PFN_BITS = 0x0FFF_FFFF
NIBBLE_SHIFT = 28
UNSENT = 0xFF
MAX_HOLLOW = 1 << 16
"""Batches and markers without a page behind them: a saver of the time wrote one or two for each of thirty rounds."""
SURE = 2
"""After so many batches there is no doubt that they are batches."""


class StrayError(StreamError):
    """What was taken for the beginning of batches makes no sense as such."""


class Batches:
    """Walks the batches from ``offset`` to the count of zero behind the last, and notes what each page is.

    ``possible`` are the variants that every word so far allows: the top four bits of a word are read differently by
    C1 and C2, but wherever both can read it they agree on whether a page follows.
    """

    def __init__(self, octets: Octets, pfns: int, possible: Sequence[Variant], offset: int) -> None:
        self.possible = tuple(possible)
        self.offset = offset
        self.listed = False
        """Whether a word stands in a batch that has no page behind it."""
        self.offsets = np.full(pfns, -1, dtype=np.int64)
        self.nibbles = np.full(pfns, UNSENT, dtype=np.uint8)
        self._octets = octets
        self._markers = any(variant in (C1, C2) for variant in possible)
        self._done = self._hollow = 0
        self._first_count = 0

    def walk(self) -> None:
        """All batches. Raises StreamError."""
        while self.step():
            pass

    def step(self) -> bool:
        """One batch; False behind the last one."""
        found = self._octets.read(self.offset, 4 + 4 * MAX_BATCH)
        if len(found) < 4:
            raise CutError("the file ends early, where a batch is due", offset=self.offset + len(found))
        count = int.from_bytes(found[:4], "little")
        if count == RESEND_MARKER and self._markers:
            self._without_page()
            self.offset += 4
            return True
        if count > MAX_BATCH:
            limit, got = f"at most 0x{MAX_BATCH:08x}", f"0x{count:08x}"
            raise self._refused("the count of a batch is out of range", self.offset, limit, got)
        self._first_count = self._first_count or count
        if len(found) < 4 + 4 * count:
            raise CutError("the file ends early, in the words of a batch", offset=self.offset + len(found))
        if count:
            self._batch(words(found[4 : 4 + 4 * count]))
        else:
            self.offset += 4
        return count > 0

    def _batch(self, entries: NDArray[np.uint32]) -> None:
        first_word = self.offset + 4
        nibbles = (entries >> np.uint32(NIBBLE_SHIFT)).astype(np.uint8)
        self._narrow(nibbles, entries, first_word)
        carrying = nibbles <= LAST_CARRYING
        pfns = entries & np.uint32(PFN_BITS)
        bad = first_bad(carrying & (pfns >= len(self.offsets)))
        if bad is not None:
            limit, got = f"a PFN below 0x{len(self.offsets):08x}", f"0x{int(entries[bad]):08x}"
            raise self._refused(f"word {bad} of a batch names a page out of range", first_word + 4 * bad, limit, got)
        sent = pfns[carrying]
        if not len(sent):
            self._without_page()
        pages_at = first_word + 4 * len(entries)
        self.offsets[sent] = pages_at + PAGE_SIZE * np.arange(len(sent))
        self.nibbles[sent] = nibbles[carrying]
        self.listed |= len(sent) < len(entries)
        self.offset = pages_at + PAGE_SIZE * len(sent)
        self._done += 1
        self._check_end()

    def _without_page(self) -> None:
        """A small gzip file may inflate to any number of them. Raises StreamError for too many."""
        self._hollow += 1
        if self._hollow > MAX_HOLLOW:
            message = "too many batches have no page"
            raise StreamError(message, offset=self.offset, expected=f"at most 0x{MAX_HOLLOW:08x}")

    def _refused(self, message: str, offset: int, expected: str | None, got: str) -> StreamError:
        """A StrayError as long as two batches, the first of them no larger than a page type, do not tell otherwise."""
        kind = StrayError if self._done < SURE and self._first_count <= MAX_TYPE else StreamError
        return kind(message, offset=offset, expected=expected, got=got)

    def _narrow(self, nibbles: NDArray[np.uint8], entries: NDArray[np.uint32], first_word: int) -> None:
        possible = self._explaining(nibbles)
        if not possible:
            place = next(place for place in range(len(nibbles)) if not self._explaining(nibbles[: place + 1]))
            before = names(self._explaining(nibbles[:place]))
            message = f"word {place} of a batch has a page type that {before} does not know"
            raise self._refused(message, first_word + 4 * place, None, f"0x{int(entries[place]):08x}")
        self.possible = possible

    def _explaining(self, nibbles: NDArray[np.uint8]) -> tuple[Variant, ...]:
        """The possible variants that know all of these top four bits."""
        seen = set(np.unique(nibbles).tolist())
        return tuple(variant for variant in self.possible if seen <= variant.carrying | variant.listed)

    def _check_end(self) -> None:
        """A page that is cut is told now, with the place where the file ends."""
        if not self._octets.read(self.offset - 1, 1):
            raise CutError("the file ends early, in the pages of a batch", offset=self._octets.length())


def look_batches(octets: Octets, header: Header, variants: Sequence[Variant]) -> None:
    """Raise StreamError unless the blocks before the pages and the first batch can be of one of these variants."""
    frame_page, first = variants[0].offset(FRAME_LIST), variants[0].offset(PAGES)
    if CONTEXT in variants[0].blocks[: variants[0].blocks.index(PAGES)]:
        read_blocks(octets, header, variants[0])
    check_frame_page(take(octets, frame_page, PAGE_SIZE, "frame list"), header.nr_pfns, frame_page)
    count = int.from_bytes(take(octets, first, 4, "first batch"), "little")
    if not 0 < count <= MAX_BATCH:
        limit, got = f"1 .. 0x{MAX_BATCH:08x}", f"0x{count:08x}"
        raise StreamError("the count of the first batch is out of range", offset=first, expected=limit, got=got)


def read_batched(octets: Octets, header: Header, variants: Sequence[Variant]) -> Content:
    """Everything but the pages, which are only found. Raises StreamError."""
    look_batches(octets, header, variants)
    batches = Batches(octets, header.nr_pfns, variants, variants[0].offset(PAGES))
    batches.walk()
    if CONTEXT in variants[0].blocks[: variants[0].blocks.index(PAGES)]:
        context, shared, frame_page = read_blocks(octets, header, variants[0])
        end = batches.offset
    else:
        at = batches.offset
        context = decode(FullExecutionContext, take(octets, at, CONTEXT_SIZE, "context"))
        check_context(context, header.nr_pfns, at)
        shared = take(octets, at + CONTEXT_SIZE, PAGE_SIZE, "shared info")
        frame_page = take(octets, variants[0].offset(FRAME_LIST), PAGE_SIZE, "frame list")
        end = at + CONTEXT_SIZE + PAGE_SIZE
    variant = _choose(batches, context)
    sent = batches.nibbles != UNSENT
    types = np.array([variant.type_of(nibble) for nibble in range(LAST_CARRYING + 1)], dtype=np.uint8)
    return Content(
        variant=variant,
        header=header,
        context=context,
        shared_info=shared,
        frame_page=frame_page,
        types=np.where(sent, types[np.where(sent, batches.nibbles, 0)], np.uint8(PageType.NOTAB)),
        places=Scattered(batches.offsets),
        end=end,
        missing=PageKind.INVALID if batches.listed else PageKind.ABSENT,
    )


def _choose(batches: Batches, context: FullExecutionContext) -> Variant:
    """Of the variants that are possible the one that makes an L2 table of the page directory; else the newest.

    Where C1 and C2 are both possible, top bits of 2 are an L1 table in C1 and an L2 table in C2, and top bits of 4 an
    L2 table in C1 and an L4 table, which i386 never had, in C2.
    """
    directory = int(batches.nibbles[context.pt_base >> PAGE_SHIFT])
    fitting = [variant for variant in batches.possible if variant.type_of(directory) == PageType.L2TAB]
    return (fitting or batches.possible)[-1]
