"""Sequences and mappings that are made when asked for."""

from __future__ import annotations

from domctx.made import Ascending


def test_a_mapping_in_ascending_order() -> None:
    """What is known at the time, its numbers ascending; as long as what is known, and equal to it."""
    known = {5: "a", 2: "b"}
    shown = Ascending(known)
    known[3] = "c"
    assert list(shown.items()) == [(2, "b"), (3, "c"), (5, "a")]
    assert (len(shown), shown[5], shown.get(4), shown == known) == (3, "a", None, True)
