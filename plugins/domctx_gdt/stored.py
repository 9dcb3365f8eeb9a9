"""GDTs in memory: of an opened image, of a file, of a test."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from domctx.states import GdtContext


class StoredGdt:
    """GDT that keeps what was stored."""

    def __init__(self, contexts: Mapping[int, GdtContext] | None = None) -> None:
        self._contexts = dict(contexts or {})
        self._ascending: Mapping[int, GdtContext] | None = None

    @property
    def contexts(self) -> Mapping[int, GdtContext]:
        """GDTs by vCPU id, ascending."""
        if self._ascending is None:
            self._ascending = MappingProxyType(dict(sorted(self._contexts.items())))
        return self._ascending

    def store(self, vcpu: int, context: GdtContext) -> None:
        """Take one GDT; replaces an earlier one of the same vCPU."""
        self._contexts[vcpu] = context
        self._ascending = None
