"""Where octets come from: small objects that compose. Reads are in order; random reads are ``RandomFile``'s."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from domctx.disk import refused
from domctx.files import RandomFile

if TYPE_CHECKING:
    from domctx.protocols import Buffer, Source
    from domctx.sinks import Hasher

CHUNK: Final = 4 << 20
"""Octets that a file or pipe is asked for at once, at least: what is larger is not taken at its word."""


class FileSource:
    """A file or pipe behind a descriptor, read in order from where it stands; ``head`` was read from it before."""

    def __init__(self, descriptor: int, name: str, head: bytes = b"") -> None:
        self.name = name
        self._descriptor = descriptor
        self._head = memoryview(head)

    def read(self, size: int) -> bytearray:
        """Exactly ``size`` octets, or fewer only at the end. Memory grows with what comes, not with ``size``."""
        octets = bytearray(min(size, CHUNK))
        done = self._into(memoryview(octets))
        while done == len(octets) < size:
            octets += bytes(min(size - done, done))
            done += self._into(memoryview(octets)[done:])
        del octets[done:]
        return octets

    def _into(self, view: memoryview) -> int:
        done = min(len(self._head), len(view))
        view[:done], self._head = self._head[:done], self._head[done:]
        try:
            while done < len(view):
                got = os.readv(self._descriptor, [view[done:]])
                if got == 0:
                    break
                done += got
        except OSError as error:
            raise refused(error, self.name) from error
        finally:
            view.release()
        return done

    def close(self) -> None:
        """The descriptor is its owner's."""


class BytesSource:
    """Octets in memory; views of them are given out."""

    def __init__(self, octets: Buffer, name: str = "<memory>") -> None:
        self.name = name
        self._octets = memoryview(octets).cast("B")
        self._position = 0

    def read(self, size: int) -> memoryview:
        """Exactly ``size`` octets, or fewer only at the end."""
        view = self._octets[self._position : self._position + size]
        self._position += len(view)
        return view

    def close(self) -> None:
        """Nothing to release."""


class DigestSource:
    """Feeds a hasher with everything that is read through it."""

    def __init__(self, inner: Source, hasher: Hasher) -> None:
        self.name = inner.name
        self.inner = inner
        self.hasher = hasher

    def read(self, size: int) -> bytes | bytearray | memoryview:
        """Read and hash."""
        octets = self.inner.read(size)
        self.hasher.update(octets)
        return octets

    def close(self) -> None:
        """Close the inner source."""
        self.inner.close()


class ProgressSource:
    """Reports how many octets were read through it."""

    def __init__(self, inner: Source, report: Callable[[int], None]) -> None:
        self.name = inner.name
        self.inner = inner
        self.report = report

    def read(self, size: int) -> bytes | bytearray | memoryview:
        """Read and report the size."""
        octets = self.inner.read(size)
        self.report(len(octets))
        return octets

    def close(self) -> None:
        """Close the inner source."""
        self.inner.close()


class RangeSource:
    """One stretch of a file, read in order."""

    def __init__(self, file: RandomFile, offset: int, length: int) -> None:
        self.name = file.name
        self._file = file
        self._offset = offset
        self._left = length

    def read(self, size: int) -> bytes:
        """Exactly ``size`` octets, or fewer only at the end of the stretch."""
        octets = self._file.read(self._offset, min(size, self._left))
        self._offset += len(octets)
        self._left -= len(octets)
        return octets

    def close(self) -> None:
        """The file is its owner's."""
