"""The octets of a stream that lies on a disk, or in a spool that has no name: windows, and reads at random."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Final

from domctx.disk import refused
from domctx.errors import StreamError
from domctx.files import RandomFile, open_at_random, open_spool
from domctx_qemu_stream.layout import SCHEME

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW: Final = 32 << 20
"""Octets that are mapped at once, so that memory stays bounded whatever the size of the file."""


SMALL: Final = 1 << 10
NEAR: Final = 16 << 10
"""Small reads come one behind the other: what follows one is read with it."""


class CutError(StreamError):
    """The stream ends before its end."""


class StreamFile(RandomFile):
    """A file that holds a stream from ``start`` on; owns its descriptor. Offsets count from the start of the file."""

    def __init__(self, descriptor: int, name: str, start: int = 0) -> None:
        super().__init__(descriptor, name)
        self.start = start
        self._near, self._near_at = b"", 0

    def read(self, offset: int, size: int) -> bytes:
        """Octets ``offset`` .. ``offset + size``, fewer only at the end of the file."""
        if size > SMALL:
            return super().read(offset, size)
        place = offset - self._near_at
        if place < 0 or place + size > len(self._near):
            self._near, self._near_at, place = super().read(offset, NEAR), offset, 0
        return self._near[place : place + size]

    def take(self, offset: int, size: int, what: str) -> bytes:
        """Exactly ``size`` octets. Raises CutError, naming ``what`` is cut."""
        octets = self.read(offset, size)
        if len(octets) < size:
            raise CutError(f"the stream ends early, in {what}", offset=offset + len(octets))
        return octets

    def rows(self, offset: int, goal: NDArray[np.uint8]) -> None:
        """Fill ``goal`` u8[n, m], C-contiguous, from ``offset`` on. Raises CutError."""
        try:
            if os.preadv(self.descriptor, [goal.data], offset) == goal.nbytes:
                return
        except OSError as error:
            raise refused(error, self.name) from error
        view = goal.data.cast("B")
        got = self.fill(offset, view)
        if got < len(view):
            raise CutError("the file ends early, in its pages", file=self.name, offset=offset + got)

    def window(self, offset: int) -> memoryview:
        """Up to ``WINDOW`` octets from ``offset`` on, mapped; fewer only at the end of the file."""
        size = min(WINDOW, self.size - offset)
        if size <= 0:
            return memoryview(b"")
        slack = offset % mmap.ALLOCATIONGRANULARITY
        try:
            mapped = mmap.mmap(self.descriptor, size + slack, access=mmap.ACCESS_READ, offset=offset - slack)
        except (OSError, ValueError) as error:
            message = "the file cannot be mapped"
            raise StreamError(message, file=self.name, offset=offset, got=str(error)) from error
        return memoryview(mapped)[slack:]


def open_file(path: str, start: int = 0, scheme: str = SCHEME) -> StreamFile:
    """Open a file of the format ``scheme``.

    Raises DomainError where it cannot be read, UsageError where it is a pipe or a folder.
    """
    return StreamFile(open_at_random(path, scheme), path, start)


class Spool:
    """Octets that had to be made from the file's: an unlinked file beside it, made when it is first written to."""

    def __init__(self, beside: str) -> None:
        self._beside = beside
        self._file: StreamFile | None = None
        self.size = 0

    def append(self, octets: bytes | bytearray | memoryview) -> int:
        """Where ``octets`` were put. Raises DomainError where the disk refuses."""
        if self._file is None:
            self._file = StreamFile(open_spool(self._beside), f"spool of {self._beside}")
        at, view = self.size, memoryview(octets)
        try:
            while view:
                view = view[os.pwrite(self._file.descriptor, view, self.size + len(octets) - len(view)) :]
        except OSError as error:
            raise refused(error, self._file.name) from error
        self.size += len(octets)
        self._file.size = self.size
        return at

    def rows(self, offset: int, goal: NDArray[np.uint8]) -> None:
        """As ``StreamFile.rows``."""
        if self._file is not None:
            self._file.rows(offset, goal)

    def close(self) -> None:
        """Give the disk back."""
        if self._file is not None:
            self._file.close()
