"""Files that formats read at random, and spools: unlinked files beside them."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from domctx.disk import refused
from domctx.errors import DomainError, DomctxError, StreamError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from domctx.protocols import Buffer

SMALL = 1 << 10
CLOSED = -2
"""The descriptor of a closed file: nothing is read from it (mmap takes -1 for memory of no file)."""
NEAR = 16 << 10
"""Small reads of a stream come one behind the other: what follows one is read with it."""


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


def put(descriptor: int, offset: int, data: Buffer, name: str | Path) -> None:
    """Write all of ``data``, C-contiguous, at ``offset`` of a file; ``name`` is for messages.

    Raises DomainError where the disk refuses, or takes nothing: the memory of a process that has ended does so.
    """
    octets = memoryview(data)
    octets = octets.cast("B") if octets.nbytes else octets
    try:
        while octets.nbytes:
            done = os.pwrite(descriptor, octets, offset)
            if not done:
                raise DomainError("nothing can be written there any more", file=str(name), offset=offset)
            octets, offset = octets[done:], offset + done
    except OSError as error:
        raise refused(error, name) from error


class RandomFile:
    """A file or block device read at random, by ``pread``: threads may share it. It owns the descriptor."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name
        """Its path, for messages."""
        self.descriptor = descriptor
        try:
            self.size = os.lseek(descriptor, 0, os.SEEK_END)
            """Octets of the file as it was opened."""
        except OSError as error:
            os.close(descriptor)
            raise refused(error, name) from error

    def read(self, offset: int, size: int) -> bytes:
        """Octets ``offset`` .. ``offset + size``, fewer only at the end of the file."""
        size = max(0, min(size, self.size - offset))
        pieces: list[bytes] = []
        try:
            while size:
                piece = os.pread(self.descriptor, size, offset)
                if not piece:
                    break
                pieces.append(piece)
                offset += len(piece)
                size -= len(piece)
        except OSError as error:
            raise refused(error, self.name) from error
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def fill(self, offset: int, view: memoryview) -> int:
        """Fill ``view`` from ``offset`` on; how many octets there were. Raises DomainError where the disk refuses."""
        done, size = 0, len(view)
        try:
            while done < size:
                got = os.preadv(self.descriptor, [view[done:] if done else view], offset + done)
                if not got:
                    break
                done += got
        except OSError as error:
            raise refused(error, self.name) from error
        return done

    def close(self) -> None:
        """Close the descriptor, once: its number may be another file's by then."""
        descriptor, self.descriptor = self.descriptor, CLOSED
        if descriptor >= 0:
            os.close(descriptor)


class StreamFile(RandomFile):
    """A file that holds a stream: exact reads, of which small ones cost little. Threads may share it."""

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__(descriptor, name)
        self._near = (0, b"")  # where it stands, and the octets: one value, so that threads see both or neither

    def read(self, offset: int, size: int) -> bytes:
        """Octets ``offset`` .. ``offset + size``, fewer only at the end of the file."""
        if size > SMALL:
            return super().read(offset, size)
        start, octets = self._near
        place = offset - start
        if place < 0 or place + size > len(octets):
            octets, place = super().read(offset, NEAR), 0
            self._near = (offset, octets)
        return octets[place : place + size]

    def take(self, offset: int, size: int, what: str) -> bytes:
        """Exactly ``size`` octets. Raises CutError, naming ``what`` is cut."""
        octets = self.read(offset, size)
        if len(octets) < size:
            raise CutError(f"the stream ends early, in {what}", offset=offset + len(octets))
        return octets

    def rows(self, offset: int, goal: NDArray[np.uint8]) -> None:
        """Fill ``goal`` u8[n, m], C-contiguous, from ``offset`` on. Raises CutError."""
        got = self.fill(offset, goal.data.cast("B")) if goal.size else 0
        if got < goal.nbytes:
            raise CutError("the file ends early, in its pages", file=self.name, offset=offset + got)


def open_at_random(path: str, scheme: str) -> int:
    """The descriptor of a file that a format opens.

    Raises DomainError where it cannot be read, UsageError where it is a pipe or a folder.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise refused(error, path) from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        os.close(descriptor)
        raise UsageError("is a folder", file=path, hint="name a file in it")
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        os.close(descriptor)
        hint = f"pipe it in, and name it {scheme}:-"
        raise UsageError("is no file that can be read at random", file=path, hint=hint)
    return descriptor


def open_spool(beside: str | None = None) -> int:
    """The descriptor of an unlinked file, beside the named one where that folder can be written.

    Raises DomainError where there is no room for one.
    """
    if beside is not None:
        with contextlib.suppress(OSError):
            return _temporary(os.path.dirname(beside) or os.curdir)
    try:
        return _temporary(None)
    except OSError as error:
        import tempfile

        raise refused(error, tempfile.gettempdir()) from error


def _temporary(folder: str | None) -> int:
    import tempfile  # costs more than all else here

    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())
