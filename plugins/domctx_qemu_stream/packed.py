"""Pages that do not stand in a stream as they are: packed by zlib, or told as a difference (formats/qemu.md 2.1)."""

from __future__ import annotations

import zlib

from domctx.errors import StreamError
from domctx_qemu_stream.files import Spool, StreamFile
from domctx_qemu_stream.layout import PAGE_SIZE
from domctx_qemu_stream.runs import Place
from domctx_qemu_stream.xbzrle import apply


class PackedPages:
    """Reads pages of a stream, and of the spool where it keeps those that it had to unpack."""

    def __init__(self, file: StreamFile, spool: Spool) -> None:
        self._file, self._spool = file, spool

    def fetch(self, place: int, offset: int, before: bytes) -> bytes:
        """A page that is whole."""
        if place == Place.FILL:
            return bytes((offset,)) * PAGE_SIZE
        return (self._spool if place == Place.SPOOL else self._file).page(offset)

    def unpack(self, place: int, offset: int, before: bytes) -> bytes:
        """A page that is packed, or told as a difference to ``before``."""
        if place == Place.XBZRLE:
            page = bytearray(before)
            head = self._file.take(offset, 3, "its RAM")
            apply(page, self._file.take(offset + 3, int.from_bytes(head[1:], "big"), "its RAM"), offset + 3)
            return bytes(page)
        size = int.from_bytes(self._file.take(offset, 4, "its RAM"), "big")
        inflater = zlib.decompressobj()
        try:
            octets = inflater.decompress(self._file.take(offset + 4, size, "its RAM"), PAGE_SIZE + 1)
        except zlib.error as error:
            raise StreamError("a compressed page cannot be unpacked", offset=offset, got=str(error)) from error
        if len(octets) != PAGE_SIZE or not inflater.eof or inflater.unused_data:
            got = f"0x{len(octets):x} octets"
            raise StreamError("a compressed page is not one page", offset=offset, expected="0x1000 octets", got=got)
        return octets
