"""What FOREIGN_HEAD keeps of a stream, taken apart again: which sections there were, in what order, how they began."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from domctx.errors import DomainError, StreamError, UnsupportedError
from domctx.states import ForeignPart
from domctx.values import frozen
from domctx_qemu_stream.configuration import Configuration, read_configuration
from domctx_qemu_stream.cursor import Cursor
from domctx_qemu_stream.layout import MAX_SECTIONS, RAM, SCHEME, Element
from domctx_qemu_stream.octets import Octets
from domctx_qemu_stream.parts import ADDRESSES, COMMANDS, CONFIGURATION, HEADER, SECTIONS, SETUP
from domctx_qemu_stream.plain import Commands, choose

WHAT: Final = "what is kept of a stream's head"
NEVER: Final = "the domain never was QEMU's: nothing in it tells of sections that QEMU could load"
ELSEWHERE: Final = "write its memory and registers as elf:, or keep it as an image"


@frozen
class Head:
    """A section that names itself: its header, and where it goes on later, what it begins with."""

    kind: Element
    identity: int
    name: str
    instance: int
    version: int
    octets: bytes
    setup: bytes = b""


@frozen
class Kept:
    """What is kept of a stream's head."""

    configuration: Configuration
    heads: tuple[Head, ...]
    footers: bool
    commands: Commands
    addresses: tuple[int, ...]
    """Of each RAM block where its region stands in its container, where the stream told it."""

    @property
    def ram(self) -> Head | None:
        """The RAM section."""
        found = (head for head in self.heads if head.name == RAM and head.kind is Element.SECTION_START)
        return next(found, None)


def read_kept(parts: Iterable[ForeignPart]) -> Kept:
    """The parts of ``FOREIGN_HEAD``. Raises DomainError where they never were a QEMU stream's or do not fit."""
    found = {part.name: part.octets for part in parts if part.format == SCHEME}
    if HEADER not in found or SECTIONS not in found:
        raise DomainError(NEVER, hint=ELSEWHERE)
    try:
        return _kept(found)
    except (StreamError, UnsupportedError) as error:
        message = f"{WHAT} cannot be read: {error.message}"
        raise DomainError(message, expected=error.expected, got=error.got) from error


def _kept(found: Mapping[str, bytes]) -> Kept:
    configuration = read_configuration(Octets(found[HEADER] + found.get(CONFIGURATION, b"")))
    setups = list(_setups(found.get(SETUP, b"")))
    heads, footers = _heads(found[SECTIONS], setups)
    if setups:
        raise StreamError("more sections go on than there are")
    addresses = found.get(ADDRESSES, b"")
    return Kept(
        configuration=configuration,
        heads=tuple(heads),
        footers=footers,
        commands=choose(found.get(COMMANDS, b"")),
        addresses=tuple(int.from_bytes(addresses[at : at + 8], "big") for at in range(0, len(addresses), 8)),
    )


def _setups(octets: bytes) -> Iterator[bytes]:
    cursor = Cursor(Octets(octets), 0)
    while cursor.peek() is not None:
        yield cursor.take(cursor.number(4, WHAT), WHAT)


def _heads(octets: bytes, setups: list[bytes]) -> tuple[list[Head], bool]:
    """The sections, and whether they have footers; what those begin with that go on is taken from ``setups``."""
    cursor = Cursor(Octets(octets), 0)
    found: list[Head] = []
    footers = None
    while cursor.peek() is not None:
        if len(found) == MAX_SECTIONS:
            raise StreamError("there are too many sections", expected=f"at most {MAX_SECTIONS}")
        head = _head(cursor)
        if footers is None:
            footers = cursor.peek() == Element.FOOTER
        if footers:
            cursor.expect(Element.FOOTER, 1, "a footer")
            cursor.expect(head.identity, 4, "the id in a footer")
        if head.kind is Element.SECTION_START and head.name != RAM:
            head = attrs.evolve(head, setup=setups.pop(0) if setups else b"")
        found.append(head)
    return found, bool(footers)


def _head(cursor: Cursor) -> Head:
    at, kind = cursor.offset, cursor.number(1, WHAT)
    if kind not in (Element.SECTION_START, Element.SECTION_FULL):
        raise StreamError("a section of a kind that cannot be", got=f"0x{kind:02x}")
    identity, name = cursor.number(4, WHAT), cursor.text(WHAT)
    instance, version = cursor.number(4, WHAT), cursor.number(4, WHAT)
    octets = cursor.file.read(at, cursor.offset - at)
    return Head(Element(kind), identity, name, instance, version, octets)
