"""Channels of multifd, composed from formats/qemu.md 2.9 and from nothing of the reader."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from helpers import qemu_streams as qs
from helpers.qemu_streams import PAGE

MAGIC = 0x11223344


def head(number: int, magic: int = MAGIC) -> bytes:
    """The first 64 octets of a channel."""
    return struct.pack(">II16sB39x", magic, 1, bytes(16), number)


def packet(
    number: int,
    normal: Sequence[int] = (),
    zero: Sequence[int] = (),
    payload: bytes = b"",
    *,
    flags: int = 0,
    block: str = "pc.ram",
    size: int | None = None,
    count: int | None = None,
    magic: int = MAGIC,
) -> bytes:
    """A packet of pages by their numbers."""
    fixed = struct.pack(
        ">IIIIIIQI28x256s",
        magic,
        1,
        flags,
        128,
        len(normal) if count is None else count,
        len(payload) if size is None else size,
        number,
        len(zero),
        block.encode(),
    )
    offsets = b"".join(qs.u64(page * PAGE) for page in (*normal, *zero))
    return fixed + offsets.ljust(1024, b"\xee") + payload


MAIN = qs.stream(qs.configuration(), qs.ram({"pc.ram": 6 * PAGE}, qs.u64(qs.FLUSH)), qs.ending())

WHOLE = packet(0, range(6), [], qs.pages(*range(6)))
