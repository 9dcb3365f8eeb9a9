"""The run state in which QEMU leaves a machine that it loads."""

from __future__ import annotations

from domctx.states import DeviceSection
from domctx_qemu_stream.global_state import run_state


def section(name: str, octets: bytes) -> DeviceSection:
    """A device section."""
    return DeviceSection(name, 0, 1, octets)


def test_a_run_state_is_read_from_its_section() -> None:
    """Up to its NUL, whatever stands there; a machine without the section has none."""
    timer = section("timer", b"\0\0\0\7running\0")
    assert run_state([]) is None
    assert run_state([timer]) is None
    assert run_state([timer, section("globalstate", b"\0\0\0\7paused\0" + bytes(93))]) == "paused"
    assert run_state([section("globalstate", b"\0\0\0\7running")]) == "running"
    assert run_state([section("globalstate", b"\0\0\0\7\xff\0")]) == "\ufffd"
    assert run_state([section("globalstate", b"\0")]) == ""
