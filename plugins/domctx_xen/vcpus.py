"""Which vCPUs an HVM context tells of."""

from __future__ import annotations

from typing import Final

from domctx_hvm.image import split

CPU: Final = 2
"""The type of a vCPU's entry (formats/xen.md 3.2)."""


def hvm_vcpus(octets: bytes) -> tuple[int, ...]:
    """The ids, ascending. Raises RecordError as ``split``."""
    return tuple(sorted({entry.instance for entry in split(octets).entries if entry.typecode == CPU}))
