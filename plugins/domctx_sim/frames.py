"""The frames of a simulated machine: a sparse file, read through a mapping and written by runs.

Writing never goes through the mapping: a full disk is then an error that can be told, and not a SIGBUS.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from domctx.errors import DomainError
from domctx.files import put
from domctx.publish import refused
from domctx_sim.arrays import Numbers, Pages, Words
from domctx_sim.layout import MAX_FRAMES, WORDS
from domctx_x86 import PAGE_SIZE

NAME: Final = "frames"
"""The file's name in a machine's folder."""
_FEW: Final = 16
"""Fewer frames than these are read through the mapping."""


def create_frames(folder: Path, frames: int = MAX_FRAMES) -> None:
    """Make the file of a new machine: every frame is zero and takes no room. Raises DomainError."""
    path = folder / NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, frames * PAGE_SIZE)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise refused(error, path) from error


def _runs(mfns: Numbers) -> Iterator[tuple[int, Numbers]]:
    """The runs of consecutive frames in ascending ``mfns``, and the index at which each begins."""
    starts = np.flatnonzero(np.diff(mfns.astype(np.int64), prepend=-2) != 1)
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(mfns)], strict=False):
        yield start, mfns[start:end]


class Frames:
    """The opened frames; ``words`` u32[frames, 1024] sees them as they are, and cannot be written."""

    def __init__(self, folder: Path, *, writable: bool, frames: int = MAX_FRAMES) -> None:
        """Map the file. Raises DomainError where it is not a machine's."""
        self._path = folder / NAME
        self._size = frames * PAGE_SIZE
        mode = os.O_RDWR if writable else os.O_RDONLY
        try:
            self._descriptor = os.open(self._path, mode | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise refused(error, self._path) from error
        try:
            self.words = self._map()
        except BaseException:
            os.close(self._descriptor)
            raise

    def _map(self) -> Words:
        size = os.fstat(self._descriptor).st_size
        if size != self._size:
            raise DomainError(
                "the machine's frames have the wrong size",
                file=str(self._path),
                expected=f"0x{self._size:x}",
                got=f"0x{size:x}",
            )
        try:
            mapping = mmap.mmap(self._descriptor, self._size, access=mmap.ACCESS_READ)
        except OSError as error:  # no address space for it
            raise refused(error, self._path) from error
        return np.frombuffer(mapping, dtype="<u4").reshape(-1, WORDS)

    def read(self, mfns: Numbers) -> Words:
        """A copy of frames that the machine has: u32[n, 1024]. Raises DomainError where the disk refuses."""
        if len(mfns) < _FEW:
            few: Words = self.words[mfns]
            return few
        order = np.argsort(mfns, kind="stable")
        pages = np.zeros((len(mfns), WORDS), "<u4")
        for start, run in _runs(mfns[order]):
            self._read_run(run, pages[start : start + len(run)])
        found = np.empty_like(pages)
        found[order] = pages
        return found

    def _read_run(self, run: Numbers, pages: Words) -> None:
        """Read consecutive frames into zeros; what the file has no room for is zero already."""
        first, end = int(run[0]) * PAGE_SIZE, (int(run[-1]) + 1) * PAGE_SIZE
        try:
            start = os.lseek(self._descriptor, first, os.SEEK_DATA)
            view = pages.reshape(-1).view(np.uint8).data
            while start < end:
                got = os.preadv(self._descriptor, [view[start - first :]], start)
                if not got:
                    raise DomainError("the machine's frames end too early", file=str(self._path), offset=start)
                start += got
        except OSError as error:
            if error.errno != errno.ENXIO:  # there is no data up to the end
                raise refused(error, self._path) from error

    def write(self, mfns: Numbers, pages: Pages) -> None:
        """Write ``pages`` (n pages, any shape and type) to the frames ``mfns``, each once. Raises DomainError."""
        octets = np.ascontiguousarray(pages).reshape(-1).view(np.uint8).reshape(-1, PAGE_SIZE)
        numbers = mfns.astype(np.int64)
        if np.any(np.diff(numbers) <= 0):
            order = np.argsort(numbers, kind="stable")
            numbers, octets = numbers[order], octets[order]
        for start, run in _runs(numbers):
            put(self._descriptor, int(run[0]) * PAGE_SIZE, octets[start : start + len(run)].data, self._path)

    def scrub(self) -> None:
        """Make every frame zero, and give back its room. Raises DomainError."""
        try:
            os.ftruncate(self._descriptor, 0)
            os.ftruncate(self._descriptor, self._size)
        except OSError as error:
            raise refused(error, self._path) from error

    def sync(self) -> None:
        """Flush the file to the disk. Raises DomainError."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise refused(error, self._path) from error

    def close(self) -> None:
        """Close the file; the mapping goes with the last array over it."""
        os.close(self._descriptor)
