"""The section ``cpu`` of x86 machines (formats/qemu.md 3.3, 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from domctx.states import DeviceSection

CPU: Final = "cpu"
SUBSECTION: Final = b"\x05"
WIDE, NARROW = "x86_64", "i386"
ENDS: Final = {11: (1545, 1169), 12: (1817, 1313)}
"""Octets of the fixed part by version: of 64-bit and of 32-bit emulators."""


def architecture_of(cpus: Iterable[DeviceSection]) -> str:
    """Whose emulator wrote the sections: ``x86_64`` or ``i386``; empty where that cannot be told."""
    for cpu in cpus:
        found = _described(cpu.description) or _shaped(cpu)
        if found:
            return found
    return ""


def _described(description: Any) -> str:
    fields = description.get("fields") if isinstance(description, Mapping) else None
    for field in fields if isinstance(fields, list) else ():
        if isinstance(field, Mapping) and field.get("name") == "env.eip":
            size = field.get("size")
            return {8: WIDE, 4: NARROW}.get(size, "") if isinstance(size, int) else ""
    return ""


def _shaped(cpu: DeviceSection) -> str:
    """By where the fixed part ends: there the section does, or a subsection begins."""
    for name, end in zip((WIDE, NARROW), ENDS.get(cpu.version, ()), strict=False):
        follows = cpu.octets[end : end + 6]
        if len(cpu.octets) == end or (follows.startswith(SUBSECTION) and follows[2:] == b"cpu/"):
            return name
    return ""
