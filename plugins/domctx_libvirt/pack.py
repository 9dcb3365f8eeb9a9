"""Packs what a libvirt image holds: gzip, bzip2, xz, zstd, and lzop without packing (formats/qemu.md 5.1)."""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from domctx.api import Buffer, Sink
from domctx_libvirt.lzo import ADLER_D, MAGIC

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

XZ_PRESET: Final = 3
"""As libvirt calls xz (formats/qemu.md 5.1)."""
LZOP_BLOCK: Final = 256 << 10
"""Octets of a block, as lzop itself cuts them."""


def _gzip() -> Any:
    from isal import isal_zlib

    return isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)


class _Lzop:
    """A file of lzop whose blocks stand there as they are: no library of Python's packs LZO, and lzop reads both."""

    def __init__(self) -> None:
        self._pending = bytearray(self._header())
        self._rest = bytearray()

    @staticmethod
    def _header() -> bytes:
        """Versions of lzop, of its library, and of what is needed to read it; method 1; no time and no name."""
        fields = b"\x10\x40\x20\xa0\x09\x40\x01\x05" + ADLER_D.to_bytes(4, "big") + bytes(12) + bytes(1)
        return MAGIC + fields + zlib.adler32(fields).to_bytes(4, "big")

    def compress(self, data: Buffer) -> bytes:
        """What can be written by now."""
        self._rest += memoryview(data)
        whole = len(self._rest) // LZOP_BLOCK * LZOP_BLOCK
        for start in range(0, whole, LZOP_BLOCK):
            self._block(bytes(self._rest[start : start + LZOP_BLOCK]))
        del self._rest[:whole]
        found, self._pending = bytes(self._pending), bytearray()
        return found

    def _block(self, octets: bytes) -> None:
        size = len(octets).to_bytes(4, "big")
        self._pending += size + size + zlib.adler32(octets).to_bytes(4, "big") + octets

    def flush(self) -> bytes:
        """What is left."""
        if self._rest:
            self._block(bytes(self._rest))
        return bytes(self._pending) + bytes(4)


PACKERS: Final[Mapping[str, Callable[[], Any]]] = {
    "gzip": _gzip,
    "bzip2": bz2.BZ2Compressor,
    "xz": lambda: lzma.LZMACompressor(preset=XZ_PRESET),
    "lzop": _Lzop,
    "zstd": zstd.ZstdCompressor,
}


class PackSink:
    """Packs everything into ``inner``, which stays its owner's; ``finish`` writes what is left."""

    def __init__(self, inner: Sink, method: str) -> None:
        self._inner, self._packer = inner, PACKERS[method]()

    def write(self, data: Buffer) -> None:
        """Pack ``data``."""
        packed = self._packer.compress(data)
        if packed:
            self._inner.write(packed)

    def close(self) -> None:
        """Write what is left."""
        self._inner.write(self._packer.flush())
