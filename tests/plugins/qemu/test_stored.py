"""Device sections in memory."""

from __future__ import annotations

from domctx_qemu import StoredDevices
from helpers.device_states import timer


def test_sections_come_back_in_order() -> None:
    """Sections are appended, and two of one name stay two."""
    state = StoredDevices([timer()])
    state.store(timer(b"x"))
    state.store(timer())
    assert state.sections == (timer(), timer(b"x"), timer())
