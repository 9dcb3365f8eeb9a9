"""A sink that compresses: one gzip member of level 1, as the savers of the time wrote it, made by several threads."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Final

from isal import igzip_threaded

from domctx.api import Buffer, Sink

LEVEL: Final = 1
BLOCK: Final = 1 << 20
"""Octets that one thread compresses at once; what precedes a block serves as its dictionary."""
MOST_THREADS: Final = 4


class _Raw:
    """What the compressor writes to: ``inner`` with the face of a file."""

    def __init__(self, inner: Sink) -> None:
        self._inner = inner

    def write(self, data: Buffer) -> int:
        """Pass ``data`` on."""
        self._inner.write(data)
        return memoryview(data).nbytes

    def flush(self) -> None:
        """A sink is flushed by its owner."""


class GzipSink:
    """Compresses everything into ``inner``, which stays its owner's; use it as a context manager.

    The header holds no time and no name, and blocks do not depend on the number of threads: equal octets written in
    equal steps give equal files. An error of ``inner`` comes out of a later ``write`` or of ``close``.
    """

    def __init__(self, inner: Sink) -> None:
        threads = min(MOST_THREADS, len(os.sched_getaffinity(0)))
        opened: Any = igzip_threaded.open
        self._file = opened(_Raw(inner), "wb", compresslevel=LEVEL, threads=threads, block_size=BLOCK)

    def write(self, data: Buffer) -> None:
        """Compress ``data``."""
        self._file.write(data)

    def close(self) -> None:
        """End the member, and the threads."""
        self._file.close()

    def __enter__(self) -> GzipSink:
        return self

    def __exit__(self, error: object, *details: object) -> None:
        if error is None:
            self.close()
        else:
            with contextlib.suppress(Exception):  # the first error is the one to be told
                self.close()
