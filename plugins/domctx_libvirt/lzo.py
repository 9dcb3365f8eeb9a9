"""LZO1X, and the files of lzop that libvirt may pack a stream into.

The bits of LZO1X are those that Linux's Documentation/staging/lzo.rst describes; no library of Python's own reads them.
An instruction says how much to copy of what was unpacked before, from how far back, and how many new octets follow.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator
from typing import Final

from domctx.errors import StreamError, UnsupportedError
from domctx_qemu_stream.cursor import Cursor
from domctx_qemu_stream.files import StreamFile

MAGIC: Final = b"\x89LZO\x00\r\n\x1a\n"
METHODS: Final = (1, 2, 3)
"""All of them LZO1X, packed with more or less care."""
NEW_HEADER: Final = 0x0940
MAX_BLOCK: Final = 64 << 20
"""Octets of one block: lzop's own limit."""
ADLER_D, ADLER_C, EXTRA, CRC_D, CRC_C, FILTER = 0x01, 0x02, 0x40, 0x100, 0x200, 0x800
WHAT: Final = "the lzop part of the file"


def blocks(file: StreamFile, start: int) -> Generator[bytes, None, int]:
    """The unpacked blocks of a file of lzop that begins at ``start``, then where it ends; checksums are checked.

    Raises StreamError, UnsupportedError for another method.
    """
    cursor = Cursor(file, start)
    flags = _header(cursor)
    while True:
        at = cursor.offset
        size = cursor.number(4, WHAT)
        if not size:
            return cursor.offset
        packed_size = cursor.number(4, WHAT)
        if size > MAX_BLOCK or packed_size > size:
            got = f"0x{packed_size:08x} to 0x{size:08x}"
            raise StreamError("a block of lzop has a size that cannot be", offset=at, got=got)
        checks = [cursor.number(4, WHAT) if flags & flag else None for flag in (ADLER_D, CRC_D)]
        if packed_size < size:
            cursor.skip(4 * (bool(flags & ADLER_C) + bool(flags & CRC_C)), WHAT)
        start = cursor.offset
        octets = cursor.take(packed_size, WHAT)
        if packed_size < size:
            octets = unpack(octets, size, start)
        found = (zlib.adler32(octets), zlib.crc32(octets))
        if any(check not in (None, value) for check, value in zip(checks, found, strict=True)):
            raise StreamError("a block of lzop has a wrong checksum", offset=at)
        yield octets


def _header(cursor: Cursor) -> int:
    """Pass over the header; its flags."""
    at = cursor.offset
    if cursor.take(len(MAGIC), WHAT) != MAGIC:
        raise StreamError("no file of lzop stands there", offset=at, expected=MAGIC.hex(" "))
    version = cursor.number(2, WHAT)
    cursor.skip(2, WHAT)
    if version >= NEW_HEADER:
        cursor.skip(2, WHAT)
    method = cursor.number(1, WHAT)
    if version >= NEW_HEADER:
        cursor.skip(1, WHAT)
    flags = cursor.number(4, WHAT)
    if method not in METHODS or flags & FILTER:
        raise UnsupportedError("a file of lzop that is packed in another way", offset=at, got=f"method 0x{method:02x}")
    cursor.skip(12 if version >= NEW_HEADER else 8, WHAT)
    cursor.text(WHAT)
    cursor.skip(4, WHAT)
    if flags & EXTRA:
        cursor.skip(cursor.number(4, WHAT) + 4, WHAT)
    return flags


def unpack(packed: bytes, size: int, offset: int) -> bytes:
    """The ``size`` octets of one block that stands at ``offset``. Raises StreamError for one that cannot be."""
    block = _Block(packed, size)
    try:
        block.run()
    except IndexError as error:
        message = "a block of lzop cannot be unpacked"
        raise StreamError(message, offset=offset + min(block.place, len(packed))) from error
    if len(block.out) != size or block.place != len(packed):
        expected, got = f"0x{size:x} octets", f"0x{len(block.out):x}"
        raise StreamError("a block of lzop is not as long as it says", offset=offset, expected=expected, got=got)
    return bytes(block.out)


class _Block:
    """One block while it is unpacked; whatever leads out of it is an IndexError."""

    def __init__(self, packed: bytes, size: int) -> None:
        self.packed, self.size, self.place = packed, size, 0
        self.out = bytearray()

    def run(self) -> None:
        """Unpack it all: ``state`` is how many new octets came last, 4 for more than three."""
        state = self._first()
        while True:
            code = self.packed[self.place]
            self.place += 1
            if code < 16 and state == 0:
                self._literals(3 + self._length(code, 15))
                state = 4
                continue
            length, distance, state = self._match(code, state)
            if not length:
                return
            self._copy(length, distance)
            self._literals(state)

    def _first(self) -> int:
        """The first octet may be a number of new octets."""
        code = self.packed[0]
        if code <= 17:
            return 0
        self.place = 1
        self._literals(code - 17)
        return min(code - 17, 4)

    def _match(self, code: int, state: int) -> tuple[int, int, int]:
        """Length and distance of what is copied, and how many new octets follow; a length of 0 ends the block."""
        if code >= 64:
            length = 3 + (code >> 5 & 1) if code < 128 else 5 + (code >> 5 & 3)
            return length, (self._octet() << 3) + (code >> 2 & 7) + 1, code & 3
        if code >= 32:
            length = 2 + self._length(code & 31, 31)
            pair = self._pair()
            return length, (pair >> 2) + 1, pair & 3
        if code >= 16:
            length = 2 + self._length(code & 7, 7)
            pair = self._pair()
            distance = ((code & 8) << 11) + (pair >> 2)
            return (length if distance else 0), 16384 + distance, pair & 3
        if state == 4:
            return 3, (self._octet() << 2) + (code >> 2) + 2049, code & 3
        return 2, (self._octet() << 2) + (code >> 2) + 1, code & 3

    def _octet(self) -> int:
        self.place += 1
        return self.packed[self.place - 1]

    def _pair(self) -> int:
        return self._octet() | self._octet() << 8

    def _length(self, length: int, most: int) -> int:
        """A length that was told, or one that goes on: each zero counts 255."""
        if length:
            return length
        start = self.place
        while self.packed[self.place] == 0:
            self.place += 1
        zeros = self.place - start
        return most + 255 * zeros + self._octet()

    def _literals(self, count: int) -> None:
        if self.place + count > len(self.packed) or len(self.out) + count > self.size:
            raise IndexError
        self.out += self.packed[self.place : self.place + count]
        self.place += count

    def _copy(self, length: int, distance: int) -> None:
        """Copy octets that were unpacked before; where they overlap what they make they repeat."""
        start = len(self.out) - distance
        if start < 0 or len(self.out) + length > self.size:
            raise IndexError
        if distance >= length:
            self.out += self.out[start : start + length]
        else:
            piece = bytes(self.out[start:])
            self.out += (piece * (length // distance + 1))[:length]
