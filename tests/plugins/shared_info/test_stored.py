"""The shared-info page in memory."""

from __future__ import annotations

from domctx.states import SharedInfoContext
from domctx_shared_info import StoredSharedInfo


def test_what_was_stored_last_is_what_is_there() -> None:
    """An empty state has no page; a stored one replaces what was there."""
    state = StoredSharedInfo()
    assert state.context is None
    state.store(SharedInfoContext("a", b"1"))
    state.store(SharedInfoContext("b", b"2"))
    assert state.context == SharedInfoContext("b", b"2")
