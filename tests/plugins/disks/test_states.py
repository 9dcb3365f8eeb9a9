"""DISKS that keeps what is stored."""

from __future__ import annotations

from domctx_disks import DisksContext, StoredDisks


def test_what_was_stored_is_there() -> None:
    """The last context stored; None before."""
    state = StoredDisks()
    assert state.context is None
    state.store(DisksContext((), moved_on=True))
    assert state.context == DisksContext((), moved_on=True)
