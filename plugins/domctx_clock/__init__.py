"""The clock: Xen's own TSC_INFO."""

from domctx_clock.stored import StoredClock

__all__ = ["StoredClock"]
