"""The octets of a record in a file, at random and in order."""

from __future__ import annotations

from typing import Protocol

from domctx.files import RandomFile, open_at_random
from domctx_lgr.layout import SCHEME


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

    def length(self) -> int:
        """How many octets there are; for gzip this inflates all of them."""

    def close(self) -> None:
        """Release the file."""


class PlainFile(RandomFile):
    """A file read at random; owns its descriptor."""

    def stream(self, offset: int) -> Stream:
        """The octets from ``offset`` on, in order."""
        return _PlainStream(self, offset)

    def length(self) -> int:
        """Octets of the file as it was opened."""
        return self.size


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
    return PlainFile(open_at_random(path, SCHEME), path)
