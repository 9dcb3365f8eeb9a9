"""Files that formats read at random, and spools: unlinked files beside them."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

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
        """Close the descriptor."""
        os.close(self.descriptor)


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
