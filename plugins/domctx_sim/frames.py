"""The frames of a simulated machine: a sparse file of 2^20 pages, read through a mapping and written by runs.

Writing never goes through the mapping: a full disk is then an error that can be told, and not a SIGBUS.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Final

import numpy as np

from domctx.errors import DomainError
from domctx.publish import refused
from domctx_sim.arrays import Numbers, Pages, Words
from domctx_sim.layout import MAX_FRAMES, WORDS
from domctx_x86 import PAGE_SIZE

NAME: Final = "frames"
"""The file's name in a machine's folder."""
SIZE: Final = MAX_FRAMES * PAGE_SIZE


def create_frames(folder: Path) -> None:
    """Make the file of a new machine: every frame is zero and takes no room. Raises DomainError."""
    path = folder / NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, SIZE)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise refused(error, path) from error


class Frames:
    """The opened frames; ``words`` u32[2^20, 1024] sees them as they are, and cannot be written."""

    def __init__(self, folder: Path, *, writable: bool) -> None:
        """Map the file. Raises DomainError where it is not a machine's."""
        self._path = folder / NAME
        mode = os.O_RDWR if writable else os.O_RDONLY
        try:
            self._descriptor = os.open(self._path, mode | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise refused(error, self._path) from error
        try:
            self.words = self._map()
        except BaseException:
            os.close(self._descriptor)
            raise

    def _map(self) -> Words:
        size = os.fstat(self._descriptor).st_size
        if size != SIZE:
            raise DomainError(
                "the machine's frames have the wrong size",
                file=str(self._path),
                expected=f"0x{SIZE:x}",
                got=f"0x{size:x}",
            )
        mapping = mmap.mmap(self._descriptor, SIZE, access=mmap.ACCESS_READ)
        return np.frombuffer(mapping, dtype="<u4").reshape(MAX_FRAMES, WORDS)

    def read(self, mfns: Numbers) -> Words:
        """A copy of the frames ``mfns``, each below 2^20: u32[n, 1024]."""
        pages: Words = self.words[mfns]
        return pages

    def write(self, mfns: Numbers, pages: Pages) -> None:
        """Write ``pages`` (n pages, any shape and type) to the frames ``mfns``, each once. Raises DomainError."""
        octets = np.ascontiguousarray(pages).reshape(-1).view(np.uint8).reshape(-1, PAGE_SIZE)
        numbers = mfns.astype(np.int64)
        if np.any(np.diff(numbers) <= 0):
            order = np.argsort(numbers, kind="stable")
            numbers, octets = numbers[order], octets[order]
        starts = np.flatnonzero(np.diff(numbers, prepend=-2) != 1)
        for run, mfn in zip(np.split(octets, starts[1:]), numbers[starts].tolist(), strict=False):
            self._write_run(mfn, run)

    def _write_run(self, mfn: int, octets: Pages) -> None:
        view = octets.reshape(-1).data
        offset = mfn * PAGE_SIZE
        try:
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            raise refused(error, self._path) from error

    def scrub(self) -> None:
        """Make every frame zero, and give back its room. Raises DomainError."""
        try:
            os.ftruncate(self._descriptor, 0)
            os.ftruncate(self._descriptor, SIZE)
        except OSError as error:
            raise refused(error, self._path) from error

    def close(self) -> None:
        """Close the file; the mapping goes with the last array over it."""
        os.close(self._descriptor)
