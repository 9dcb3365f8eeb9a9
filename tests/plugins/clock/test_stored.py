"""The clock in memory."""

from __future__ import annotations

from domctx.states import TscContext
from domctx_clock import StoredClock


def test_what_was_stored_last_is_what_is_there() -> None:
    """An empty clock has no TSC state; a stored one replaces what was there."""
    state = StoredClock()
    assert state.tsc is None
    assert not state.posted
    state.store(TscContext(0, 1, 2, 3))
    state.store(TscContext(1, 1, 2, 3))
    assert state.tsc == TscContext(1, 1, 2, 3)
