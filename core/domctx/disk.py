"""What the operating system refuses, told as a DomctxError."""

from __future__ import annotations

import errno
import os

from domctx.errors import DomainError, DomctxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

ANYWHERE = (errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EPIPE, errno.EROFS)
"""What any call may meet, however right it is: to let it through is no bug."""


def refused(error: OSError, path: str | Path | None) -> DomctxError:
    """The DomctxError that tells an OSError about ``path``, where that is known."""
    hints = {
        errno.ENOSPC: "free some space, and try again",
        errno.EDQUOT: "free some space, and try again",
        errno.EFBIG: "free some space, and try again",
        errno.EMFILE: "see ulimit -n",
        errno.ESPIPE: "a pipe is read as standard input: write - for it",
    }
    number = error.errno or 0
    file = str(path) if path is not None else None
    return DomainError(os.strerror(number) if number else str(error), file=file, hint=hints.get(number))


def met_anywhere(error: BaseException) -> DomctxError | None:
    """The DomctxError of an OSError that nobody told of and that is no bug; None of any other error."""
    if not isinstance(error, OSError):
        return None
    number = errno.EPIPE if isinstance(error, BrokenPipeError) else error.errno
    if number not in ANYWHERE:
        return None
    return refused(OSError(number, ""), error.filename if isinstance(error.filename, str) else None)
