"""What the operating system refuses, told as a DomctxError."""

from __future__ import annotations

import errno
import os

from domctx.errors import DomainError, DomctxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def refused(error: OSError, path: str | Path) -> DomctxError:
    """The DomctxError that tells an OSError about ``path``."""
    hints = {
        errno.ENOSPC: "free some space, and try again",
        errno.EDQUOT: "free some space, and try again",
        errno.EFBIG: "free some space, and try again",
        errno.ESPIPE: "a pipe is read as standard input: write - for it",
    }
    number = error.errno or 0
    return DomainError(os.strerror(number) if number else str(error), file=str(path), hint=hints.get(number))
