"""Strategies of device sections, and a section with QEMU's own kind of description."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from domctx.states import DeviceSection
from domctx.testing.strategies import plain_values
from domctx_qemu import StoredDevices
from helpers.foreign_states import names

_u32 = st.integers(0, 0xFFFF_FFFF)


def device_sections() -> st.SearchStrategy[DeviceSection]:
    """Sections of any name and state, with any description or none."""
    return st.builds(DeviceSection, names(255), _u32, _u32, st.binary(max_size=100), plain_values())


def stored_devices(*, least: int = 0) -> st.SearchStrategy[StoredDevices]:
    """States of up to five sections."""
    return st.lists(device_sections(), min_size=least, max_size=5).map(StoredDevices)


TIMER_STATE = bytes.fromhex("0000000000000001 0000000000000002 00000000075bcd15 00aa")
"""Three numbers of eight octets, and an array of two octets."""

TIMER_FIELDS = [
    {"name": "cpu_ticks_offset", "type": "int64", "size": 8},
    {"name": "unused", "type": "int64", "size": 8},
    {"name": "cpu_clock_offset", "type": "int64", "size": 8},
    {"name": "flags", "type": "uint8", "size": 1, "array_len": 2},
]


def timer(octets: bytes = TIMER_STATE, **description: Any) -> DeviceSection:
    """QEMU's timer section, described as its vmdesc does; ``description`` adds to it or replaces parts."""
    vmdesc: dict[str, Any] = {"name": "timer", "instance_id": 0, "version": 2, "fields": TIMER_FIELDS} | description
    return DeviceSection("timer", 0, 2, octets, vmdesc)
