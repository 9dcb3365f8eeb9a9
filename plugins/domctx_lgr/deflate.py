"""A sink that compresses: one gzip member of level 1, as the savers of the time wrote it."""

from __future__ import annotations

from typing import Final

from isal import isal_zlib

from domctx.api import Buffer, Sink

LEVEL: Final = 1
GZIP_WINDOW: Final = 31
"""Window bits that ask for a gzip header and trailer around the deflated octets."""


class GzipSink:
    """Compresses everything into ``inner``; the header holds no time and no name, so equal octets give equal files."""

    def __init__(self, inner: Sink) -> None:
        self._inner = inner
        self._deflate = isal_zlib.compressobj(LEVEL, wbits=GZIP_WINDOW)

    def write(self, data: Buffer) -> None:
        """Compress ``data`` and pass on what is ready."""
        self._pass_on(self._deflate.compress(data))

    def close(self) -> None:
        """End the member; the inner sink stays its owner's."""
        self._pass_on(self._deflate.flush())

    def _pass_on(self, octets: bytes) -> None:
        if octets:
            self._inner.write(octets)
