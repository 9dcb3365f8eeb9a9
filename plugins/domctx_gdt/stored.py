"""GDTs in memory: of an opened image, of a file, of a test."""

from __future__ import annotations

from collections.abc import Mapping

from domctx.made import Ascending
from domctx.states import GdtContext


class StoredGdt:
    """GDT that keeps what was stored."""

    def __init__(self, contexts: Mapping[int, GdtContext] | None = None) -> None:
        self._contexts = dict(contexts or {})

    @property
    def contexts(self) -> Mapping[int, GdtContext]:
        """GDTs by vCPU id, ascending."""
        return Ascending(self._contexts)

    def store(self, vcpu: int, context: GdtContext) -> None:
        """Take one GDT; replaces an earlier one of the same vCPU."""
        self._contexts[vcpu] = context
