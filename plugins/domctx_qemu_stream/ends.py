"""Where a section ends whose layout nobody told (formats/qemu.md 1.6, 1.9)."""

from __future__ import annotations

import re
from typing import Final

from domctx.errors import StreamError
from domctx_qemu_stream.cursor import Cursor
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.layout import FOLLOWING, MAX_SECTION, Element

FOOTER_SIZE: Final = 5
HEADER: Final = re.compile(rb"[\x01\x04]\x00\x00[\x00-\xff]{2}([\x01-\xff])", re.DOTALL)
"""How a section begins that names itself: ids are small, names are not empty."""
PRINTABLE: Final = re.compile(rb"[!-~ ]+")
SMALL: Final = 0xFF
"""Versions that are believed of a section's header by itself."""
LARGE: Final = 0x7FFF_FFFF
"""Those that are where a section is known to end: some devices have large ones (i6300esb), or dates (eepro100)."""
OVERLAP: Final = 512
"""Octets that hold the longest header."""
FIRST_PIECE: Final = 1 << 9
PIECE: Final = 1 << 20
"""Octets that are searched at once: few at first, for there may be many sections, and short."""
MAX_SCAN: Final = 4 << 30
"""Octets that are searched for the end of one section."""

BLOCK_CHUNK: Final = 1 << 20
"""Octets of a piece of a disk in a section of block migration."""
BLOCK_DEVICE, BLOCK_EOS, BLOCK_PROGRESS, BLOCK_ZERO = 1, 2, 4, 8


def footer(identity: int) -> bytes:
    """The octets behind a section, in a stream that has them."""
    return bytes((Element.FOOTER,)) + identity.to_bytes(4, "big")


def has_footer(file: StreamFile, offset: int, identity: int) -> bool:
    """Whether the footer of that section stands at ``offset``."""
    return file.read(offset, FOOTER_SIZE) == footer(identity)


def goes_on(file: StreamFile, offset: int, eof: int | None) -> bool:
    """Whether what stands at ``offset`` can be an element behind a section; EOF only at ``eof``, if that is known."""
    octets = file.read(offset, OVERLAP)
    if not octets or octets[0] not in FOLLOWING:
        return False
    if octets[0] == Element.EOF:
        return eof in (None, offset)
    if octets[0] in (Element.SECTION_START, Element.SECTION_FULL):
        return _is_header(octets, 0, LARGE)
    return len(octets) >= 5


def begins(file: StreamFile, offset: int, eof: int | None) -> bool:
    """Whether there is hardly a doubt that a section ends at ``offset``: another begins there, or the stream ends."""
    octets = file.read(offset, OVERLAP)
    if octets[:1] == bytes((Element.EOF,)):
        return offset == (file.size - 1 if eof is None else eof)
    return _is_header(octets, 0)


def _is_header(octets: bytes, place: int, newest: int = SMALL) -> bool:
    """Whether a section that names itself, of a version up to ``newest``, begins there, as far as one can tell."""
    found = HEADER.match(octets, place)
    if found is None:
        return False
    name_end = found.end() + found[1][0]
    numbers = octets[name_end : name_end + 8]
    named = PRINTABLE.fullmatch(octets, found.end(), name_end) is not None
    return named and len(numbers) == 8 and numbers[:2] == bytes(2) and int.from_bytes(numbers[4:], "big") <= newest


def by_footer(file: StreamFile, offset: int, identity: int, eof: int | None) -> int | None:
    """The first place from ``offset`` on with the footer of that section, and something behind it that can be.

    What looks like a footer and EOF may be part of the state (of a TPM, say), where nobody tells where EOF stands: it
    is believed where the stream ends there, and else only where no better place is found.
    """
    wanted, doubtful = footer(identity), None
    start, piece, stop = offset, FIRST_PIECE, min(file.size, offset + MAX_SCAN)
    while start < stop:
        octets = file.read(start, piece + FOOTER_SIZE)
        place = octets.find(wanted)
        while place >= 0:
            behind = start + place + FOOTER_SIZE
            if goes_on(file, behind, eof):
                if eof is not None or _is_firm(file, behind):
                    return start + place
                if doubtful is None:
                    doubtful, stop = start + place, min(stop, offset + MAX_SECTION)
            place = octets.find(wanted, place + 1)
        start, piece = start + piece, min(2 * piece, PIECE)
    return doubtful


def _is_firm(file: StreamFile, offset: int) -> bool:
    """Whether what stands at ``offset`` is no EOF, or one that ends the stream."""
    octets = file.read(offset, 2)
    return octets[0] != Element.EOF or octets[1:] in (b"", bytes((Element.VMDESCRIPTION,)))


def by_header(file: StreamFile, offset: int, eof: int | None) -> int | None:
    """The first place from ``offset`` on where a section seems to begin; else where the stream ends.

    That is ``eof``; where it is not known it is the file's last octet, if that is zero.
    """
    end = file.size - 1 if eof is None else eof
    stop = min(end + 1, offset + MAX_SECTION)
    start, piece = offset, FIRST_PIECE
    while start < stop:
        octets = file.read(start, min(piece + OVERLAP, stop - start))
        place = octets.find(Element.SECTION_FULL, 0, piece)
        while place >= 0:
            if _is_header(octets[place : place + OVERLAP], 0):
                return start + place
            place = octets.find(Element.SECTION_FULL, place + 1, piece)
        start, piece = start + piece, min(2 * piece, PIECE)
    ends = offset <= end < stop and file.read(end, 1) == bytes((Element.EOF,))
    return end if ends else None


def of_block(file: StreamFile, offset: int) -> int:
    """Behind a section of block migration: words of flags and sectors, each with what it tells. Raises StreamError."""
    cursor = Cursor(file, offset)
    while True:
        at = cursor.offset
        flags = cursor.number(8, "block migration") & 0x1FF
        if flags & BLOCK_EOS:
            return cursor.offset
        if flags & ~(BLOCK_DEVICE | BLOCK_PROGRESS | BLOCK_ZERO):
            raise StreamError("a word of block migration has flags that cannot be", offset=at, got=f"0x{flags:03x}")
        if flags & BLOCK_DEVICE:
            cursor.text("block migration")
            if not flags & BLOCK_ZERO:
                cursor.skip(BLOCK_CHUNK, "block migration")
