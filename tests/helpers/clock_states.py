"""Strategies of clocks."""

from __future__ import annotations

from hypothesis import strategies as st

from domctx.states import TscContext
from domctx_clock import StoredClock

_u32 = st.integers(0, 0xFFFF_FFFF)


def tsc_contexts() -> st.SearchStrategy[TscContext]:
    """TSC states; their modes are mostly those that have a name."""
    return st.builds(TscContext, st.integers(0, 2) | _u32, _u32, st.integers(0, (1 << 64) - 1), _u32)


def stored_clocks() -> st.SearchStrategy[StoredClock]:
    """Clocks with a TSC state, of records of either length."""
    return st.builds(StoredClock, tsc_contexts(), posted=st.booleans())
