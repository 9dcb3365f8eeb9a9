"""The run state in which QEMU leaves a machine that it loads (formats/qemu.md 1.8)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from domctx.states import DeviceSection

SECTION: Final = "globalstate"
NAME_OFFSET: Final = 4
"""Where the run state's name stands in the section, a NUL behind it."""


def run_state(sections: Iterable[DeviceSection]) -> str | None:
    """The name in the section; None where there is none: QEMU then runs what it loads."""
    for section in sections:
        if section.name == SECTION:
            return section.octets[NAME_OFFSET:].partition(b"\0")[0].decode(errors="replace")
    return None
