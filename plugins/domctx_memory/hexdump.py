"""Octets as ``hexdump -C`` shows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

WIDTH: Final = 16
"""Octets on a line."""
PRINTABLE: Final = bytes(octet if 0x20 <= octet < 0x7F else ord(".") for octet in range(256))


def lines(pieces: Iterable[bytes], address: int) -> Iterator[str]:
    """The lines of a dump that begins at ``address``; lines equal to the one before them become one ``*``.

    ``pieces`` are cut anyhow.
    """
    last: bytes | None = None
    squeezed = False
    for row in _rows(pieces):
        if row == last and len(row) == WIDTH:
            if not squeezed:
                yield "*"
            squeezed = True
        else:
            yield _line(row, address)
            last, squeezed = row, False
        address += len(row)
    yield f"{address:016x}"


def _rows(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        octets = rest + piece
        end = len(octets) - len(octets) % WIDTH
        for start in range(0, end, WIDTH):
            yield octets[start : start + WIDTH]
        rest = octets[end:]
    if rest:
        yield rest


def _line(row: bytes, address: int) -> str:
    half = WIDTH // 2
    octets = f"{row[:half].hex(' '):23}  {row[half:].hex(' '):23}"
    return f"{address:016x}  {octets}  |{row.translate(PRINTABLE).decode('ascii')}|"
