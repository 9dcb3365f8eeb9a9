"""Whether a file fits on its disk, asked before anything is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from domctx.context import Operation
from domctx.disk import refused
from domctx.errors import DomainError
from domctx.save import Estimate


def check_room(path: str, estimate: Callable[[bool], Sequence[Estimate]], operation: Operation) -> None:
    """Hold the size that ``path`` will have against the free space beside it.

    ``estimate`` gives the sizes, from a sample too where it is called with True: only where the upper bound does not
    fit. Raises DomainError where exact sizes and samples do not fit either; notes where only the bound does not.
    """
    free = _free(os.path.dirname(path) or os.curdir)
    bound = sum(row.octets for row in estimate(False))
    if bound <= free:
        return
    expected = sum(row.octets if row.exact else row.sampled or 0 for row in estimate(True))
    if expected > free:
        raise DomainError(
            "the image does not fit on the disk",
            file=path,
            expected=f"about {expected:,} octets",
            got=f"{free:,} octets free",
            hint="free some space, or save to another disk or a pipe",
        )
    operation.note(f"{path}: up to {bound:,} octets may be needed, {free:,} are free")


def _free(folder: str) -> int:
    """Octets that an ordinary user may still write to the disk of a folder."""
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        raise refused(error, folder) from error
    return disk.f_bavail * disk.f_frsize
