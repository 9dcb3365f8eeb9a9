"""What a stream holds besides memory and devices: FOREIGN_HEAD and FOREIGN_TAIL."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Final, overload

import attrs

from domctx.errors import DomainError
from domctx.states import ForeignPart
from domctx_qemu_stream import ends
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.layout import SCHEME
from domctx_qemu_stream.sections import Elements
from domctx_qemu_stream.vmdesc import HEAD as VMDESC_HEAD

HEADER: Final = "header"
"""Magic and version."""
CONFIGURATION: Final = "configuration"
"""The element CONFIGURATION, whole."""
COMMANDS: Final = "commands"
"""All commands, whole, one behind the other."""
SECTIONS: Final = "sections"
"""The header of each section that names itself, in order, with its footer where the stream has footers."""
VMDESC: Final = "vmdesc"
"""The text of VMDESCRIPTION."""
SECTION: Final = "section "
"""Octets of a section other than RAM that comes in parts; its name follows."""
BEHIND: Final = "behind the stream"
NAME_LIMIT: Final = 200
PIECE: Final = 1 << 20
"""Octets of one part."""


def head_parts(elements: Elements) -> Iterator[ForeignPart]:
    """What describes the machine."""
    configuration = elements.configuration
    heads = [
        head + (ends.footer(int.from_bytes(head[1:5], "big")) if elements.footers else b"") for head in elements.heads
    ]
    octets = {
        HEADER: configuration.header,
        CONFIGURATION: configuration.octets,
        COMMANDS: bytes(elements.commands),
        SECTIONS: b"".join(heads),
    }
    for name, part in octets.items():
        if part:
            yield ForeignPart(SCHEME, name, part)


@attrs.frozen(eq=False)
class Piece:
    """A part of the tail: its name, and where each stretch of it begins and ends in the file, by turns."""

    name: str
    edges: array[int]


def tail_pieces(elements: Elements, size: int) -> list[Piece]:
    """The tail's parts, none longer than 1 MiB but the description; what a section's parts hold is put together."""
    found: list[Piece] = []
    for other in elements.others:
        found += _joined((SECTION + other.name)[:NAME_LIMIT], other.edges)
    if elements.description is not None:
        edges = array("q", (elements.description.offset + VMDESC_HEAD, elements.description.end))
        found.append(Piece(VMDESC, edges))
    if elements.end is not None and elements.end < size:
        found += _joined(BEHIND, array("q", (elements.end, size)))
    return found


def _joined(name: str, edges: array[int]) -> Iterator[Piece]:
    """As many stretches in a piece as fit; long ones are cut."""
    together, size = array("q"), 0
    for place in range(0, len(edges), 2):
        for start in range(edges[place], edges[place + 1], PIECE):
            stop = min(start + PIECE, edges[place + 1])
            if together and size + stop - start > PIECE:
                yield Piece(name, together)
                together, size = array("q"), 0
            together.extend((start, stop))
            size += stop - start
    if together:
        yield Piece(name, together)


class Tail(Sequence[ForeignPart]):
    """FOREIGN_TAIL: parts that are read from the file when they are asked for."""

    def __init__(self, file: StreamFile, pieces: Sequence[Piece]) -> None:
        self._file, self._pieces = file, pieces

    @property
    def parts(self) -> Sequence[ForeignPart]:
        """The parts, in the stream's order."""
        return self

    def store(self, part: ForeignPart) -> None:
        """Raises DomainError."""
        raise DomainError("an opened file takes no parts", file=self._file.name)

    def __len__(self) -> int:
        return len(self._pieces)

    @overload
    def __getitem__(self, index: int) -> ForeignPart: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ForeignPart]: ...
    def __getitem__(self, index: int | slice) -> ForeignPart | Sequence[ForeignPart]:
        found = self._pieces[index]
        return self._part(found) if isinstance(found, Piece) else [self._part(each) for each in found]

    def _part(self, piece: Piece) -> ForeignPart:
        stretches = zip(piece.edges[::2], piece.edges[1::2], strict=True)
        octets = [self._file.take(start, stop - start, piece.name) for start, stop in stretches]
        return ForeignPart(SCHEME, piece.name, b"".join(octets))
