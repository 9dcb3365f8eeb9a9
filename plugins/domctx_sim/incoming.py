"""MEMORY of a machine that is being loaded: pages go straight to their frames, canonical; tables are localised last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from domctx.api import RamBlock
from domctx.errors import DomainError
from domctx.states import PageBatch, PageKind
from domctx_sim.arrays import Numbers, PageTypes, Words
from domctx_sim.home import Home
from domctx_sim.layout import WORDS
from domctx_sim.states import check_range, ram_block

UNTOLD: Final = 0xFF
"""No PageType: the page came without one."""


class IncomingMemory:
    """Takes batches in any order; a later one replaces an earlier one."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._told = np.zeros(home.pages, bool)
        self._written = np.zeros(home.pages, bool)
        self.types: PageTypes = np.full(home.pages, UNTOLD, np.uint8)
        """The PageType of each page that came with one, else 0xFF."""

    @property
    def blocks(self) -> Sequence[RamBlock]:
        """The one block."""
        return (ram_block(self._home.pages),)

    def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
        """What was taken so far, canonical; pages that did not come are ABSENT."""
        for first in range(0, self._home.pages, pages):
            yield self.read(0, first, min(pages, self._home.pages - first))

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """Pages that were taken. Raises DomainError outside the block."""
        check_range(block, first, count, self._home.pages)
        kinds = np.where(self._told[first : first + count], np.uint8(PageKind.DATA), np.uint8(PageKind.ABSENT))
        pages = self._home.read(first + np.flatnonzero(kinds == PageKind.DATA))
        return PageBatch(block=block, first=first, kinds=kinds, pages=pages.view(np.uint8))

    def store(self, batch: PageBatch) -> None:
        """Write a batch to the domain's frames.

        Raises DomainError outside the block, and for kinds of pages that the domain cannot have.
        """
        check_range(batch.block, batch.first, batch.count, self._home.pages)
        strange = ~np.isin(batch.kinds, (PageKind.DATA, PageKind.ZERO, PageKind.FILL))
        if strange.any():
            index = int(strange.argmax())
            raise DomainError(
                f"page 0x{batch.first + index:x} is of a kind that this machine cannot hold",
                expected="DATA, ZERO or FILL",
                got=PageKind(int(batch.kinds[index])).name,
            )
        pfns = batch.first + np.arange(batch.count)
        self._put(pfns[batch.kinds == PageKind.DATA], batch.pages.view("<u4"))
        if batch.fills is not None:
            words = batch.fills.astype(np.uint32) * np.uint32(0x0101_0101)
            self._put(pfns[batch.kinds == PageKind.FILL], np.repeat(words[:, np.newaxis], WORDS, axis=1))
        zeros = pfns[(batch.kinds == PageKind.ZERO) & self._written[pfns]]
        self._put(zeros, np.zeros((len(zeros), WORDS), np.uint32))
        self._told[pfns] = True
        self.types[pfns] = UNTOLD if batch.types is None else batch.types

    def _put(self, pfns: Numbers, pages: Words) -> None:
        self._home.write(pfns, pages)
        self._written[pfns] = True

    def missing(self) -> int | None:
        """The first page that did not come, or None."""
        return None if self._told.all() else int((~self._told).argmax())
