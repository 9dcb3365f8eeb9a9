"""A sink that compresses: one gzip member of level 1, as the savers of the time wrote it."""

from __future__ import annotations

from typing import Any, Final

from isal import isal_zlib

from domctx.api import Buffer, Sink

LEVEL: Final = 1
GZIP: Final = 31
"""The window and the frame, as zlib numbers them."""
BLOCK: Final = 256 << 10
"""Octets that are compressed at once."""


class GzipSink:
    """Compresses everything into ``inner``, which stays its owner's; ``close`` ends the member.

    The header holds no time and no name: equal octets written in equal steps give equal files.
    """

    def __init__(self, inner: Sink) -> None:
        self._inner = inner
        self._member: Any = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, GZIP)

    def write(self, data: Buffer) -> None:
        """Compress ``data``. Raises what ``inner`` raises."""
        octets = memoryview(data)
        octets = octets.cast("B") if octets.nbytes else octets
        for start in range(0, octets.nbytes, BLOCK):
            self._inner.write(self._member.compress(octets[start : start + BLOCK]))

    def close(self) -> None:
        """End the member."""
        self._inner.write(self._member.flush())
