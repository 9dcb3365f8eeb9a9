"""The file that holds a stream: exact reads, and what it means that it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domctx import files
from domctx.errors import StreamError
from domctx_xen.layout import SCHEME

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class CutError(StreamError):
    """The stream ends before its end."""


class StreamFile(files.RandomFile):
    """A file that holds a stream; owns its descriptor."""

    def take(self, offset: int, size: int, what: str) -> bytes:
        """Exactly ``size`` octets. Raises CutError, naming ``what`` is cut."""
        octets = self.read(offset, size)
        if len(octets) < size:
            raise CutError(f"the stream ends early, in {what}", offset=offset + len(octets))
        return octets

    def rows(self, offset: int, goal: NDArray[np.uint8]) -> None:
        """Fill ``goal`` u8[n, m], C-contiguous, from ``offset`` on. Raises CutError."""
        got = self.fill(offset, goal.data.cast("B"))
        if got < goal.nbytes:
            raise CutError("the file ends early, in its pages", file=self.name, offset=offset + got)


def open_file(path: str) -> StreamFile:
    """Open a file. Raises DomainError where it cannot be read, UsageError where it is a pipe or a folder."""
    return StreamFile(files.open_at_random(path, SCHEME), path)
