"""The shared-info page in memory: of an opened image, of a file, of a test."""

from __future__ import annotations

from domctx.states import SharedInfoContext


class StoredSharedInfo:
    """SHARED_INFO that keeps what was stored."""

    def __init__(self, context: SharedInfoContext | None = None) -> None:
        self._context = context

    @property
    def context(self) -> SharedInfoContext | None:
        """The page; None where nothing was stored."""
        return self._context

    def store(self, context: SharedInfoContext) -> None:
        """Take the page; replaces an earlier one."""
        self._context = context
