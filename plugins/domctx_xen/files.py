"""The file that holds a stream: exact reads, and what it means that it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from domctx import files
from domctx.errors import StreamError
from domctx_xen.layout import SCHEME

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class CutError(StreamError):
    """The stream ends before its end."""


SMALL: Final = 256
NEAR: Final = 16 << 10
"""Small reads come one behind the other: what follows one is read with it."""


class StreamFile(files.RandomFile):
    """A file that holds a stream; owns its descriptor."""

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__(descriptor, name)
        self._near, self._near_at = b"", 0

    def take(self, offset: int, size: int, what: str) -> bytes:
        """Exactly ``size`` octets; not from several threads. Raises CutError, naming ``what`` is cut."""
        place = offset - self._near_at
        if place >= 0 and place + size <= len(self._near):
            return self._near[place : place + size]
        if size > SMALL:
            octets = self.read(offset, size)
        else:
            self._near, self._near_at = self.read(offset, NEAR), offset
            octets = self._near[:size]
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
