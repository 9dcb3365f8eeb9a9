"""The octets of a stream that lies on a disk, or in a spool that has no name: windows, and reads at random."""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from domctx.errors import DomctxError, StreamError, UsageError
from domctx.publish import refused

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


@contextlib.contextmanager
def in_file(name: str) -> Iterator[None]:
    """Let errors that the block raises name the file."""
    try:
        yield
    except DomctxError as error:
        error.at(file=name)
        raise


class StreamFile:
    """A file that holds a stream from ``start`` on; owns its descriptor. Offsets count from the start of the file."""

    def __init__(self, descriptor: int, name: str, start: int = 0) -> None:
        self.name = name
        self.start = start
        self.descriptor = descriptor
        self.size = os.lseek(descriptor, 0, os.SEEK_END)
        """Octets of the file as it was opened."""
        self._near, self._near_at = b"", 0

    def read(self, offset: int, size: int) -> bytes:
        """Octets ``offset`` .. ``offset + size``, fewer only at the end of the file."""
        if size > SMALL:
            return self._read(offset, size)
        place = offset - self._near_at
        if place < 0 or place + size > len(self._near):
            self._near, self._near_at, place = self._read(offset, NEAR), offset, 0
        return self._near[place : place + size]

    def _read(self, offset: int, size: int) -> bytes:
        octets = bytearray(max(0, min(size, self.size - offset)))
        got = self.fill(offset, memoryview(octets))
        return bytes(memoryview(octets)[:got])

    def take(self, offset: int, size: int, what: str) -> bytes:
        """Exactly ``size`` octets. Raises CutError, naming ``what`` is cut."""
        octets = self.read(offset, size)
        if len(octets) < size:
            raise CutError(f"the stream ends early, in {what}", offset=offset + len(octets))
        return octets

    def fill(self, offset: int, view: memoryview) -> int:
        """Fill ``view`` from ``offset`` on; how many octets there were. Raises DomainError where the disk refuses."""
        done = 0
        try:
            while done < len(view):
                got = os.preadv(self.descriptor, [view[done:]], offset + done)
                if not got:
                    break
                done += got
        except OSError as error:
            raise refused(error, self.name) from error
        return done

    def rows(self, offset: int, goal: NDArray[np.uint8]) -> None:
        """Fill ``goal`` u8[n, m], C-contiguous, from ``offset`` on. Raises CutError."""
        view = goal.data.cast("B") if goal.size else memoryview(b"")
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

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)


def open_file(path: str, start: int = 0) -> StreamFile:
    """Open a file. Raises DomainError where it cannot be read, UsageError where it is a pipe or a folder."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise refused(error, path) from error
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        os.close(descriptor)
        raise UsageError("is no file that can be read at random", file=path, hint="pipe it in, and name it qemu:-")
    return StreamFile(descriptor, path, start)


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


def open_spool(beside: str) -> int:
    """The descriptor of an unlinked file, beside the named one where that folder can be written.

    Raises DomainError where there is no room for one.
    """
    with contextlib.suppress(OSError):
        return _temporary(str(Path(beside).parent))
    try:
        return _temporary(None)
    except OSError as error:
        raise refused(error, tempfile.gettempdir()) from error


def _temporary(folder: str | None) -> int:
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())
