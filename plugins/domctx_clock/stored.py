"""The clock in memory: of an opened image, of a file, of a test."""

from __future__ import annotations

from domctx.states import TscContext


class StoredClock:
    """CLOCK that keeps what was stored.

    ``posted`` tells whether the record that it came from had the 24 octets of the posted saver, so that it goes out
    as it came in.
    """

    def __init__(self, tsc: TscContext | None = None, *, posted: bool = False) -> None:
        self._tsc = tsc
        self.posted = posted

    @property
    def tsc(self) -> TscContext | None:
        """The TSC state; None where nothing was stored."""
        return self._tsc

    def store(self, tsc: TscContext) -> None:
        """Take the TSC state."""
        self._tsc = tsc
