"""Foreign parts in memory."""

from __future__ import annotations

from domctx.states import ForeignPart
from domctx_foreign import StoredForeign


def test_parts_come_back_in_order() -> None:
    """Parts are appended, and two of one name stay two."""
    first, second = ForeignPart("lgr", "name", b"a"), ForeignPart("lgr", "name", b"b")
    state = StoredForeign([first])
    state.store(second)
    state.store(first)
    assert state.parts == (first, second, first)
