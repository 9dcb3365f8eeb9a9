"""The octets of a file that lies on a disk: random reads, reads in order, unlinked spools."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from domctx.disk import refused
from domctx.errors import DomctxError, UsageError


@contextlib.contextmanager
def in_file(name: str) -> Iterator[None]:
    """Let errors that the block raises name the file."""
    try:
        yield
    except DomctxError as error:
        error.at(file=name)
        raise


class Stream(Protocol):
    """Octets in order."""

    def fill(self, view: memoryview) -> int:
        """Fill ``view``; how many octets there were, fewer than asked for only at the end."""


class Octets(Protocol):
    """The octets of a record, inflated where the file is gzip."""

    name: str
    """The file's path, for messages."""

    def read(self, offset: int, size: int) -> bytes:
        """Octets at random, fewer than asked for only at the end."""

    def fill(self, offset: int, view: memoryview) -> int:
        """Fill ``view`` at random; how many octets there were, fewer than asked for only at the end."""

    def stream(self, offset: int) -> Stream:
        """The octets from ``offset`` on, in order."""

    def size(self) -> int:
        """How many octets there are; for gzip this inflates all of them."""

    def close(self) -> None:
        """Release the file."""


class PlainFile:
    """A file read at random; owns its descriptor."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name
        self._descriptor = descriptor
        self._size = os.lseek(descriptor, 0, os.SEEK_END)

    def read(self, offset: int, size: int) -> bytes:
        """Octets ``offset`` .. ``offset + size``, fewer only at the end of the file."""
        octets = bytearray(max(0, min(size, self._size - offset)))
        got = self.fill(offset, memoryview(octets))
        return bytes(memoryview(octets)[:got])

    def fill(self, offset: int, view: memoryview) -> int:
        """Fill ``view`` from ``offset`` on; how many octets there were. Raises DomainError where the disk refuses."""
        done = 0
        try:
            while done < len(view):
                got = os.preadv(self._descriptor, [view[done:]], offset + done)
                if not got:
                    break
                done += got
        except OSError as error:
            raise refused(error, self.name) from error
        return done

    def stream(self, offset: int) -> Stream:
        """The octets from ``offset`` on, in order."""
        return _PlainStream(self, offset)

    def size(self) -> int:
        """Octets of the file as it was opened."""
        return self._size

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


class _PlainStream:
    def __init__(self, file: PlainFile, offset: int) -> None:
        self._file = file
        self._offset = offset

    def fill(self, view: memoryview) -> int:
        got = self._file.fill(self._offset, view)
        self._offset += got
        return got


def open_plain(path: str) -> PlainFile:
    """Open a file. Raises DomainError where it cannot be read, UsageError where it is a pipe or a folder."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise refused(error, path) from error
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        os.close(descriptor)
        raise UsageError("is no file that can be read at random", file=path, hint="pipe it in, and name it lgr:-")
    return PlainFile(descriptor, path)


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
