"""Page tables in memory: of an opened image, of a file, of a test."""

from __future__ import annotations

from domctx.states import PageBatch, PageTablesContext


class StoredPageTables:
    """PAGE_TABLES without machine frames: what was stored comes back, and pages pass as they are."""

    def __init__(self, context: PageTablesContext | None = None) -> None:
        self._context = context

    @property
    def context(self) -> PageTablesContext | None:
        """What was stored; None where nothing was."""
        return self._context

    def store(self, context: PageTablesContext) -> None:
        """Take the context."""
        self._context = context

    def canonicalise(self, batch: PageBatch) -> PageBatch:
        """The batch itself: saved page tables are canonical."""
        return batch

    def localise(self, batch: PageBatch) -> PageBatch:
        """The batch itself: there are no machine frames."""
        return batch
