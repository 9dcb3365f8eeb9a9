"""The octets of a stream that lies on a disk, or in a spool that has no name: reads at random."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from domctx import files
from domctx.disk import refused
from domctx.files import CutError, open_at_random, open_spool, put
from domctx_qemu_stream.layout import PAGE_SIZE, SCHEME

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class StreamFile(files.StreamFile):
    """A file that holds a stream from ``start`` on; owns its descriptor. Offsets count from the start of the file."""

    def __init__(self, descriptor: int, name: str, start: int = 0) -> None:
        super().__init__(descriptor, name)
        self.start = start

    def page(self, offset: int) -> bytes:
        """The page that stands at ``offset``. Raises CutError."""
        try:
            octets = os.pread(self.descriptor, PAGE_SIZE, offset)
        except OSError as error:
            raise refused(error, self.name) from error
        octets = octets if len(octets) == PAGE_SIZE else self.read(offset, PAGE_SIZE)
        if len(octets) < PAGE_SIZE:
            raise CutError("the file ends early, in its pages", file=self.name, offset=offset + len(octets))
        return octets

    def pages(self, offsets: Iterable[int], goals: Iterable[memoryview]) -> None:
        """Fill each of ``goals``, 4096 octets, with the page that stands at its offset. Raises CutError."""
        descriptor = self.descriptor
        try:
            for offset, goal in zip(offsets, goals, strict=True):
                if os.preadv(descriptor, (goal,), offset) < PAGE_SIZE:
                    goal[:] = self.page(offset)
        except OSError as error:
            raise refused(error, self.name) from error


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
        at = self.size
        put(self._file.descriptor, at, octets, self._file.name)
        self.size = self._file.size = at + len(octets)
        return at

    def page(self, offset: int) -> bytes:
        """As ``StreamFile.page``."""
        assert self._file is not None
        return self._file.page(offset)

    def pages(self, offsets: Iterable[int], goals: Iterable[memoryview]) -> None:
        """As ``StreamFile.pages``."""
        assert self._file is not None
        self._file.pages(offsets, goals)

    def rows(self, offset: int, goal: NDArray[np.uint8]) -> None:
        """As ``StreamFile.rows``."""
        if self._file is not None:
            self._file.rows(offset, goal)

    def close(self) -> None:
        """Give the disk back."""
        if self._file is not None:
            self._file.close()
