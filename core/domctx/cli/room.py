"""Whether a file fits on its disk, asked before anything is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from domctx.context import Operation
from domctx.disk import refused
from domctx.errors import DomainError
from domctx.save import Estimate


def check_room(path: str, estimates: Sequence[Estimate], operation: Operation) -> None:
    """Hold the estimated size of ``path`` against the free space beside it.

    Raises DomainError where exact sizes and samples do not fit; notes where only the upper bound does not.
    """
    folder = Path(path).parent
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        raise refused(error, folder) from error
    free = disk.f_bavail * disk.f_frsize
    expected = sum(row.octets if row.exact or row.sampled is None else row.sampled for row in estimates)
    certain = sum(row.octets for row in estimates if row.exact) + sum(row.sampled or 0 for row in estimates)
    bound = sum(row.octets for row in estimates)
    if certain > free:
        raise DomainError(
            "the image does not fit on the disk",
            file=path,
            expected=f"about {expected:,} octets",
            got=f"{free:,} octets free",
            hint="free some space, or save to another disk or a pipe",
        )
    if bound > free:
        operation.note(f"{path}: up to {bound:,} octets may be needed, {free:,} are free")
