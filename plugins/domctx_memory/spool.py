"""Pages in an unlinked temporary file: memory holds none of them, whatever the size of the guest."""

from __future__ import annotations

import os
import tempfile
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domctx.disk import refused
from domctx.errors import DomainError
from domctx.files import put
from domctx_memory.layout import RECORD_OCTETS

NAME: Final = "<spool>"


class Spool:
    """Slots of 4 MiB, given out one after the other; the file exists from the first one on, and is sparse."""

    def __init__(self) -> None:
        self._slots = 0
        try:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (lives as long as the spool)
        except OSError as error:
            raise refused(error, tempfile.gettempdir()) from error

    def slot(self) -> int:
        """The offset of a new slot, in octets."""
        self._slots += 1
        return (self._slots - 1) * RECORD_OCTETS

    def write(self, offset: int, pages: NDArray[np.uint8]) -> None:
        """Write ``pages``. Raises DomainError where the disk refuses."""
        put(self._file.fileno(), offset, np.ascontiguousarray(pages).data, tempfile.gettempdir())

    def read(self, offset: int, goal: NDArray[np.uint8]) -> None:
        """Fill ``goal`` with what was written at ``offset``; it is C-contiguous. Raises DomainError as ``write``."""
        view = goal.data.cast("B") if goal.size else memoryview(b"")
        try:
            while view:
                done = os.preadv(self._file.fileno(), [view], offset)
                if not done:
                    raise DomainError("the spool was cut short", file=NAME, offset=offset)
                view, offset = view[done:], offset + done
        except OSError as error:
            raise refused(error, tempfile.gettempdir()) from error

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()
