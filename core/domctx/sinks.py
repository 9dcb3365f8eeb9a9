"""Where octets go: small objects that compose. Nothing ever goes back to write."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from domctx.disk import refused

if TYPE_CHECKING:
    from domctx.errors import DomctxError
    from domctx.protocols import Buffer, Sink

BUFFER: Final = 64 << 10
"""Octets that a file or pipe gathers before it writes; to copy what is larger costs more than to write it as it is."""
HOLE: Final = 64 << 10
"""Octets of zeros that are worth a hole."""
ZEROS: Final = bytes(HOLE)


class Hasher(Protocol):
    """What ``DigestSink`` and ``DigestSource`` feed: blake3 or any hashlib object."""

    def update(self, data: Buffer, /) -> object:
        """Take the next octets."""


class FileSink:
    """A file or pipe behind a descriptor; short writes are gone on with, errors are typed.

    ``close`` flushes; the descriptor stays its owner's. After an error nothing is tried a second time,
    and whoever goes on is told again.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name
        self._descriptor = descriptor
        self._pending = bytearray()
        self._refused: DomctxError | None = None

    def write(self, data: Buffer) -> None:
        """Take all of ``data``. Raises DomainError where the disk refuses."""
        if memoryview(data).nbytes + len(self._pending) <= BUFFER:
            self._pending += memoryview(data)  # an array would be added up
            return
        self._flush()
        self._put(memoryview(data))

    def close(self) -> None:
        """Flush. Raises DomainError where the disk refuses the last octets."""
        self._flush()

    def _flush(self) -> None:
        pending, self._pending = self._pending, bytearray()
        self._put(memoryview(pending))

    def _put(self, data: memoryview) -> None:
        octets = data.cast("B") if data.nbytes else data
        if self._refused is not None:  # some octets are lost: what follows them must not be taken for the whole
            raise self._refused
        try:
            self._take(octets)
        except OSError as error:
            self._refused = refused(error, self.name)
            raise self._refused from error

    def _take(self, octets: memoryview) -> None:
        while octets.nbytes:
            octets = octets[os.write(self._descriptor, octets) :]


class HoleSink(FileSink):
    """A new file behind a descriptor, in which long runs of zeros are left out: they read as zeros all the same."""

    def _take(self, octets: memoryview) -> None:
        begun = 0
        for place in range(0, octets.nbytes - HOLE + 1, HOLE):
            if octets[place] == octets[place + HOLE - 1] == 0 and bytes(octets[place : place + HOLE]) == ZEROS:
                super()._take(octets[begun:place])
                begun = place + HOLE
                os.ftruncate(self._descriptor, os.lseek(self._descriptor, HOLE, os.SEEK_CUR))
        super()._take(octets[begun:])


class BytesSink:
    """Gathers everything in memory."""

    def __init__(self) -> None:
        self.octets = bytearray()

    def write(self, data: Buffer) -> None:
        """Append ``data``."""
        self.octets += memoryview(data)

    def close(self) -> None:
        """Nothing to flush."""


class CountingSink:
    """Counts what it is given and keeps nothing: the sink of a dry run."""

    def __init__(self) -> None:
        self.count = 0

    def write(self, data: Buffer) -> None:
        """Count ``data``."""
        self.count += memoryview(data).nbytes

    def close(self) -> None:
        """Nothing to flush."""


class DigestSink:
    """Feeds a hasher with everything that passes on to ``inner``."""

    def __init__(self, inner: Sink, hasher: Hasher) -> None:
        self.inner = inner
        self.hasher = hasher

    def write(self, data: Buffer) -> None:
        """Hash ``data`` and pass it on."""
        self.hasher.update(data)
        self.inner.write(data)

    def close(self) -> None:
        """Close the inner sink."""
        self.inner.close()


class ProgressSink:
    """Reports how many octets passed on to ``inner``."""

    def __init__(self, inner: Sink, report: Callable[[int], None]) -> None:
        self.inner = inner
        self.report = report

    def write(self, data: Buffer) -> None:
        """Pass ``data`` on and report its size."""
        self.inner.write(data)
        self.report(memoryview(data).nbytes)

    def close(self) -> None:
        """Close the inner sink."""
        self.inner.close()
