"""What a stream holds besides memory and devices: FOREIGN_HEAD and FOREIGN_TAIL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, overload

from domctx.errors import DomainError
from domctx.states import ForeignPart
from domctx_qemu_stream import ends
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.layout import SCHEME
from domctx_qemu_stream.sections import Elements, Extent
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


def tail_extents(elements: Elements, size: int) -> Iterator[Extent]:
    """Where in the file the tail's parts stand, none longer than 1 MiB but the description."""
    for other in elements.others:
        yield from _cut(Extent((SECTION + other.name)[:NAME_LIMIT], other.start, other.stop))
    if elements.description is not None:
        yield Extent(VMDESC, elements.description.offset + VMDESC_HEAD, elements.description.end)
    if elements.end is not None:
        yield from _cut(Extent(BEHIND, elements.end, size))


def _cut(extent: Extent) -> Iterator[Extent]:
    for start in range(extent.start, extent.stop, PIECE):
        yield Extent(extent.name, start, min(start + PIECE, extent.stop))


class Tail(Sequence[ForeignPart]):
    """FOREIGN_TAIL: parts that are read from the file when they are asked for."""

    def __init__(self, file: StreamFile, extents: Sequence[Extent]) -> None:
        self._file, self._extents = file, extents

    @property
    def parts(self) -> Sequence[ForeignPart]:
        """The parts, in the stream's order."""
        return self

    def store(self, part: ForeignPart) -> None:
        """Raises DomainError."""
        raise DomainError("an opened file takes no parts", file=self._file.name)

    def __len__(self) -> int:
        return len(self._extents)

    @overload
    def __getitem__(self, index: int) -> ForeignPart: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ForeignPart]: ...
    def __getitem__(self, index: int | slice) -> ForeignPart | Sequence[ForeignPart]:
        found = self._extents[index]
        return self._part(found) if isinstance(found, Extent) else [self._part(each) for each in found]

    def _part(self, extent: Extent) -> ForeignPart:
        octets = self._file.take(extent.start, extent.stop - extent.start, extent.name)
        return ForeignPart(SCHEME, extent.name, octets)
