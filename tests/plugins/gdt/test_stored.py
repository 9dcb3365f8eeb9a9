"""GDTs in memory."""

from __future__ import annotations

from domctx.states import GdtContext
from domctx_gdt import StoredGdt


def test_gdts_come_back_ascending_and_later_ones_replace_earlier() -> None:
    """What was stored last for a vCPU is what is there, and vCPUs come in ascending order."""
    state = StoredGdt({5: GdtContext((), 0)})
    state.store(2, GdtContext((1,), 1))
    state.store(5, GdtContext((2,), 2))
    assert list(state.contexts.items()) == [(2, GdtContext((1,), 1)), (5, GdtContext((2,), 2))]
