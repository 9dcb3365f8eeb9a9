"""What the entry point needs to know: importing it must cost little."""

from __future__ import annotations

from typing import Final

SCHEME: Final = "vmm"
MAGIC: Final = b"ACMEVMM1"
