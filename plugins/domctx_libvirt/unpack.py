"""Packed streams: gzip, bzip2, xz, zstd and lzop, unpacked into an unlinked file, no further than a stream can be."""

from __future__ import annotations

import bz2
import lzma
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, Final

from domctx.errors import StreamError
from domctx.files import CutError, open_spool, put
from domctx_libvirt.lzo import MAGIC, blocks
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.length import longest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

WINDOW: Final = 256 << 10
"""Packed octets that are read at once."""
PIECE: Final = 1 << 20
"""Octets that are unpacked at once."""
XZ_MEMORY: Final = 256 << 20

LZOP: Final = "lzop"

Make = Callable[[], Any]


def _gzip() -> Any:
    from isal import igzip_lib

    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def _xz() -> Any:
    return lzma.LZMADecompressor(memlimit=XZ_MEMORY)


MAKERS: Final[Mapping[str, Make]] = {
    "gzip": _gzip,
    "bzip2": bz2.BZ2Decompressor,
    "xz": _xz,
    "zstd": zstd.ZstdDecompressor,
}
METHODS: Final = (*MAKERS, LZOP)
SKIPPED: Final = tuple(bytes((first,)) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))
"""What frames begin with that zstd passes over."""
MAGICS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "gzip": (b"\x1f\x8b",),
    "bzip2": (b"BZh",),
    "xz": (b"\xfd7zXZ\0",),
    "zstd": (b"\x28\xb5\x2f\xfd", *SKIPPED),
    LZOP: (MAGIC,),
}
"""What each begins with: one may follow another, and all count, as they do for the programs that libvirt calls."""


def unpack(file: StreamFile, method: str) -> tuple[StreamFile, int]:
    """What the octets of ``file`` from its start on unpack to, as a file that has no name, and where they end.

    Raises StreamError for what cannot be unpacked, is cut, or unpacks to more than its own head promises.
    """
    spool, parts = StreamFile(open_spool(file.name), f"{file.name} (unpacked)"), _Parts(file, method)
    try:
        _unpack(parts, spool)
    except BaseException:
        spool.close()
        raise
    return spool, parts.end


class _Parts:
    """What the packed parts of a file unpack to, piece by piece; ``end`` is where they end, once that was reached."""

    def __init__(self, file: StreamFile, method: str) -> None:
        self.file, self.method, self.end = file, method, file.start

    def __iter__(self) -> Iterator[bytes]:
        file, method, more = self.file, self.method, True
        while more:
            self.end = yield from blocks(file, self.end) if method == LZOP else _pieces(file, self.end, method)
            more = file.read(self.end, len(MAGIC)).startswith(MAGICS[method])


def _unpack(parts: _Parts, spool: StreamFile) -> None:
    most = 0
    for octets in parts:
        put(spool.descriptor, spool.size, octets, spool.name)
        spool.size += len(octets)
        if not most and spool.size >= PIECE:
            most = longest(spool)
        if most and spool.size > most:
            expected = f"at most 0x{most:x} octets"
            message = f"the {parts.method} part unpacks to more than its RAM"
            raise StreamError(message, file=parts.file.name, offset=parts.file.start, expected=expected)


def _pieces(file: StreamFile, start: int, method: str) -> Generator[bytes, None, int]:
    """What a compressed part unpacks to, piece by piece, then where it ends."""
    at, unpacker = start, MAKERS[method]()
    while not unpacker.eof:
        packed = file.read(at, WINDOW) if unpacker.needs_input else b""
        if unpacker.needs_input and not packed:
            raise CutError(f"the {method} part of the file ends early", file=file.name, offset=at)
        try:
            octets = unpacker.decompress(packed, PIECE)
        except MemoryError:
            raise
        except Exception as error:  # each library has errors of its own, and isal's is no exception class to mypy
            message = f"the {method} part of the file cannot be unpacked"
            raise StreamError(message, file=file.name, offset=at, got=str(error)) from error
        at += len(packed)
        yield octets
    return at - len(unpacker.unused_data)
