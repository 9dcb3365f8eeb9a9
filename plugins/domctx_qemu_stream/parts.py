"""What a stream holds besides memory and devices: FOREIGN_HEAD and FOREIGN_TAIL."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
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


Stretch = tuple[int, int]
"""Where octets begin and end in the file."""


@attrs.frozen
class Piece:
    """A part of the tail: its name, and the stretches of the file that it is made of."""

    name: str
    stretches: Sequence[Stretch]


def tail_pieces(elements: Elements, size: int) -> list[Piece]:
    """The tail's parts, none longer than 1 MiB but the description; what a section's parts hold is put together."""
    found: list[Piece] = []
    for name, others in itertools.groupby(elements.others, key=lambda other: other.name):
        named = (SECTION + name)[:NAME_LIMIT]
        found += _joined(named, (cut for other in others for cut in _cut(other.start, other.stop)))
    if elements.description is not None:
        found.append(Piece(VMDESC, ((elements.description.offset + VMDESC_HEAD, elements.description.end),)))
    if elements.end is not None:
        found += _joined(BEHIND, _cut(elements.end, size))
    return found


def _cut(first: int, end: int) -> Iterator[Stretch]:
    return ((start, min(start + PIECE, end)) for start in range(first, end, PIECE))


def _joined(name: str, stretches: Iterable[Stretch]) -> Iterator[Piece]:
    """As many stretches in a piece as fit."""
    together: list[Stretch] = []
    size = 0
    for start, stop in stretches:
        if together and size + stop - start > PIECE:
            yield Piece(name, together)
            together, size = [], 0
        together.append((start, stop))
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
        octets = [self._file.take(start, stop - start, piece.name) for start, stop in piece.stretches]
        return ForeignPart(SCHEME, piece.name, b"".join(octets))
