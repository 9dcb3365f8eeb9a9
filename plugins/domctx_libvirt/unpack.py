"""Packed streams: gzip, bzip2, xz, zstd and lzop, unpacked into an unlinked file, no further than a stream can be."""

from __future__ import annotations

import bz2
import lzma
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from domctx.errors import StreamError
from domctx.files import CutError, open_spool, put
from domctx_libvirt.lzo import blocks
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


def unpack(file: StreamFile, method: str) -> StreamFile:
    """What the octets of ``file`` from its start on unpack to, as a file that has no name.

    Raises StreamError for what cannot be unpacked, is cut, or unpacks to more than its own head promises.
    """
    spool = StreamFile(open_spool(file.name), f"{file.name} (unpacked)")
    try:
        _unpack(file, method, spool)
    except BaseException:
        spool.close()
        raise
    return spool


def _unpack(file: StreamFile, method: str, spool: StreamFile) -> None:
    most = 0
    for octets in blocks(file) if method == LZOP else _pieces(file, method):
        put(spool.descriptor, spool.size, octets, spool.name)
        spool.size += len(octets)
        if not most and spool.size >= PIECE:
            most = longest(spool)
        if most and spool.size > most:
            expected = f"at most 0x{most:x} octets"
            message = f"the {method} part unpacks to more than its RAM"
            raise StreamError(message, file=file.name, offset=file.start, expected=expected)


def _pieces(file: StreamFile, method: str) -> Iterator[bytes]:
    """What a compressed part unpacks to, piece by piece."""
    at, unpacker = file.start, MAKERS[method]()
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
