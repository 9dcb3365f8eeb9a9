"""How much memory a file may claim of which it tells nothing: a number costs whoever makes it up nothing."""

from __future__ import annotations

from typing import Final

SILENT: Final = 1 << 22
"""Pages of which nothing is told, that are believed of a file of any size: 16 GiB."""


def believed(told: int, sparse: int) -> int:
    """How many pages are believed of a file that tells of ``told``: ``sparse`` for each, and at least ``SILENT``."""
    return max(SILENT, sparse * told)
