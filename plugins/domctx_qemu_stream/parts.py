"""What a stream holds besides memory and devices: FOREIGN_HEAD and FOREIGN_TAIL."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Final

from domctx.states import ForeignPart
from domctx.values import frozen
from domctx_foreign import OpenedForeign
from domctx_qemu_stream import ends, plain
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.layout import SCHEME
from domctx_qemu_stream.sections import Elements
from domctx_qemu_stream.vmdesc import HEAD as VMDESC_HEAD

HEADER: Final = "header"
"""Magic and version."""
CONFIGURATION: Final = "configuration"
"""The element CONFIGURATION, without the capabilities that only say how the pages travelled."""
COMMANDS: Final = "commands"
"""The commands, whole, one behind the other, without those that only steer a migration."""
SECTIONS: Final = "sections"
"""The header of each section that names itself, in order, with its footer where the stream has footers."""
SETUP: Final = "setup"
"""What each section other than RAM begins with that goes on: a u32 length and the octets, in order."""
ADDRESSES: Final = "addresses"
"""Of each RAM block where its region stands in its container, u64, where the stream tells it."""
SHAPE: Final = "shape"
"""The parts of sections other than RAM, ``layout.SHAPE`` of each, in order."""
VMDESC: Final = "vmdesc"
"""The text of VMDESCRIPTION."""
SECTION: Final = "section "
"""Octets of a section other than RAM that comes in parts; its name follows."""
BEHIND: Final = "behind the stream"
NAME_LIMIT: Final = 200
PIECE: Final = 1 << 20
"""Octets of one part."""


def head_parts(elements: Elements, *, shared: bool) -> Iterator[ForeignPart]:
    """What describes the machine, and nothing of how it was saved; ``shared`` where memory is not in the stream."""
    configuration = elements.configuration
    names = plain.capabilities(configuration, shared=shared)
    heads = [
        head + (ends.footer(int.from_bytes(head[1:5], "big")) if elements.footers else b"") for head in elements.heads
    ]
    octets = {
        HEADER: configuration.header,
        CONFIGURATION: plain.configure(configuration, names),
        COMMANDS: plain.choose(bytes(elements.commands)).kept,
        SECTIONS: b"".join(heads),
        SETUP: bytes(elements.setups),
        ADDRESSES: _addresses(elements) if shared else b"",
    }
    for name, part in octets.items():
        if part:
            yield ForeignPart(SCHEME, name, part)


def _addresses(elements: Elements) -> bytes:
    blocks = elements.ram.blocks if elements.ram is not None else []
    return b"".join(block.address.to_bytes(8, "big") for block in blocks if block.address is not None)


@frozen(eq=False)
class Piece:
    """A part of the tail: its name, and its octets, or where each stretch of it begins and ends in the file."""

    name: str
    edges: array[int]
    octets: bytes = b""


def tail_pieces(elements: Elements, size: int, *, shared: bool) -> list[Piece]:
    """The tail's parts, none longer than 1 MiB but the description; what a section's parts hold is put together."""
    nowhere = array("q")
    found = [
        Piece(SHAPE, nowhere, bytes(elements.shape[at : at + PIECE])) for at in range(0, len(elements.shape), PIECE)
    ]
    for other in elements.others:
        found += _joined((SECTION + other.name)[:NAME_LIMIT], other.edges)
    if elements.description is not None:
        edges = array("q", (elements.description.offset + VMDESC_HEAD, elements.description.end))
        dropped = plain.dropped(elements.configuration, shared=shared)
        found.append(Piece(VMDESC, edges, plain.describe(elements.description.text, dropped) if dropped else b""))
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


def tail(file: StreamFile, pieces: Sequence[Piece]) -> OpenedForeign:
    """FOREIGN_TAIL: the pieces, read from the file when they are asked for."""

    def part(place: int) -> ForeignPart:
        piece = pieces[place]
        stretches = zip(piece.edges[::2], piece.edges[1::2], strict=True)
        octets = [file.take(start, stop - start, piece.name) for start, stop in stretches]
        return ForeignPart(SCHEME, piece.name, piece.octets or b"".join(octets))

    return OpenedForeign(file.name, len(pieces), part)
