"""The headers of a core that is written: sizes and offsets are known before the first octet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from domctx.schema import dtype, encode, size_of
from domctx_elf.layout import (
    MANY,
    PT_LOAD,
    PT_NOTE,
    Header32,
    Header64,
    Section32,
    Section64,
    Segment32,
    Segment64,
)

ALIGNED: Final = 4096
"""Memory begins at a multiple of it, so that it can be mapped."""
LIMIT32: Final = 1 << 32


class Placed(NamedTuple):
    """A PT_LOAD: its addresses, and its place in what follows the notes; all in octets."""

    virtual: int
    physical: int
    place: int
    length: int


class Shape(NamedTuple):
    """The structs of one ELF class."""

    header: type[Any]
    segment: type[Any]
    section: type[Any]


SHAPE32: Final = Shape(Header32, Segment32, Section32)
SHAPE64: Final = Shape(Header64, Segment64, Section64)


def shape_of(placed: Sequence[Placed], *, long: bool) -> Shape:
    """64-bit structs for long mode, and where an address or a place in the file needs them (formats/qemu.md 6.1)."""
    end = max((max(each.virtual, each.physical) + each.length for each in placed), default=0)
    octets = sum(each.length for each in placed) + (64 << 20)
    return SHAPE64 if long or max(end, octets) > LIMIT32 - 1 else SHAPE32


def head(placed: Sequence[Placed], notes: bytes, machine: int, shape: Shape) -> bytes:
    """Everything that stands before memory: header, program headers, notes, zeros up to ``ALIGNED``."""
    count = len(placed) + 1
    many = count >= MANY
    start = size_of(shape.header) + (size_of(shape.section) if many else 0)
    end = start + count * size_of(shape.segment)
    memory = -(-(end + len(notes)) // ALIGNED) * ALIGNED
    header = shape.header(
        machine=machine,
        phoff=start,
        phnum=min(count, MANY),
        shoff=size_of(shape.header) if many else 0,
        shnum=1 if many else 0,
    )
    parts = [encode(header), encode(shape.section(info=count)) if many else b""]
    parts += [_segments(placed, end, len(notes), memory, shape), notes]
    return b"".join(parts).ljust(memory, b"\0")


def _segments(placed: Sequence[Placed], notes: int, notes_size: int, memory: int, shape: Shape) -> bytes:
    rows = np.zeros(len(placed) + 1, dtype(shape.segment))
    rows[0]["type"], rows[0]["offset"], rows[0]["filesz"], rows[0]["memsz"] = PT_NOTE, notes, notes_size, notes_size
    loads = rows[1:]
    columns = np.array(placed, np.uint64).reshape(-1, 4)
    loads["type"] = PT_LOAD
    loads["vaddr"], loads["paddr"] = columns[:, 0], columns[:, 1]
    loads["offset"] = columns[:, 2] + np.uint64(memory)
    loads["filesz"] = loads["memsz"] = columns[:, 3]
    return rows.tobytes()
