"""Walks the elements of a stream: sections, commands, EOF, description (formats/qemu.md 1.1 to 1.7)."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any, Final

import attrs

from domctx.errors import DomctxError, StreamError, UnsupportedError
from domctx.files import CutError
from domctx.values import frozen
from domctx_qemu_stream import ends, vmdesc
from domctx_qemu_stream.blocks import Wire
from domctx_qemu_stream.configuration import Configuration
from domctx_qemu_stream.cursor import Cursor
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.known_sizes import known_sizes
from domctx_qemu_stream.layout import (
    FOLLOWING,
    MAX_PARTS,
    MAX_SECTION,
    MAX_SECTIONS,
    MAX_SETUP,
    PACKAGED_SIZE,
    PAGE_SIZE,
    RAM,
    SHAPE,
    Command,
    Element,
)
from domctx_qemu_stream.ram import RamSection
from domctx_qemu_stream.vmdesc import VmDescription

BLOCK: Final = "block"
NAMED: Final = (Element.SECTION_START, Element.SECTION_FULL)


@frozen(eq=False)
class Section:
    """A section that named itself, and where its state stands in the file."""

    name: str
    instance: int
    version: int
    identity: int
    head: bytes
    start: int
    stop: int = -1
    description: Mapping[str, Any] | None = None


@frozen(eq=False)
class Parts:
    """What the parts of a section hold that is not RAM: where each begins and ends in the file, by turns."""

    name: str
    edges: array[int]


class Elements:
    """What a stream holds, as far as it could be read; ``problem`` says why it could not be read to its end."""

    def __init__(self, file: StreamFile, configuration: Configuration, description: VmDescription | None) -> None:
        self.configuration, self.description = configuration, description
        self.devices: list[Section] = []
        self.heads: list[bytes] = []
        """The headers of all sections that name themselves, in stream order."""
        self.commands = bytearray()
        """All commands, as they stand in the stream; of PACKAGED the package is not one of them."""
        self.setups = bytearray()
        """What sections other than RAM begin with that go on: of each a u32 length and the octets, in stream order."""
        self.shape = bytearray()
        """How those go on: of each part ``SHAPE``, in stream order."""
        self.others: list[Parts] = []
        """What those parts hold."""
        self.footers: bool | None = None
        self.ram: RamSection | None = None
        self.ram_ended = False
        self.background = False
        """Whether the RAM section has no end, as in a background snapshot."""
        self.end: int | None = None
        """The offset behind the stream; None where its end was not reached."""
        self.problem: DomctxError | None = None
        self.searched: set[str] = set()
        """Sections whose end was looked for, since nothing says how long they are."""
        self._file = file
        self._open: dict[int, Section] = {}
        self._ids: set[int] = set()
        self._postcopy = False
        self._cursor = Cursor(file, configuration.end)

    def walk(self) -> None:
        """Read everything; what goes wrong is kept in ``problem``."""
        try:
            self._check_page_size()
            while self._step():
                pass
        except (StreamError, UnsupportedError) as error:
            self.problem = error
        finally:
            if self.ram is not None:
                self.ram.end()

    def spoil(self, problem: DomctxError) -> None:
        """Something outside of the stream says that it is not to be trusted: its memory is not either."""
        self.problem = self.problem or problem
        self.ram_ended = False

    def _check_page_size(self) -> None:
        found = self.description
        if found is not None and found.page_size != PAGE_SIZE:
            expected, got = f"0x{PAGE_SIZE:x}", f"0x{found.page_size:x}"
            message = "the stream is of a machine with pages of another size"
            raise UnsupportedError(message, offset=found.offset, expected=expected, got=got)

    def _step(self) -> bool:
        at = self._cursor.offset
        kind = self._cursor.number(1, "an element")
        if kind == Element.EOF:
            self._finish(at)
            return False
        if kind in NAMED:
            self._named(kind, at)
        elif kind in (Element.SECTION_PART, Element.SECTION_END):
            self._part(kind, at)
        elif kind == Element.COMMAND:
            self._command(at)
        else:
            known = ", ".join(f"0x{octet:02x}" for octet in FOLLOWING)
            raise StreamError("an element of a kind that is not known", offset=at, expected=known, got=f"0x{kind:02x}")
        return True

    def _finish(self, at: int) -> None:
        """EOF: the description, where there is one, and then what stands behind the stream."""
        if self.description is None or self.description.offset != at:
            self.description = vmdesc.read(self._file, at)
        self.end = at + 1 if self.description is None else self.description.end
        for section in self._open.values():
            if not self._never_ends(section):
                raise CutError(f"the stream ends before section {section.name!r} does", offset=at)
            self.ram_ended = self.background = True

    def _never_ends(self, section: Section) -> bool:
        """Whether it is the RAM of a background snapshot, where QEMU writes no end: devices follow all its pages."""
        told = self.ram is not None and all(runs.settle().told == runs.pages for runs in self.ram.runs)
        return section.name == RAM and told and bool(self.devices)

    def _named(self, kind: int, at: int) -> None:
        cursor = self._cursor
        identity = cursor.number(4, "a section's header")
        name = cursor.text("a section's header")
        instance, version = cursor.number(4, "a section's header"), cursor.number(4, "a section's header")
        if identity in self._ids:
            raise StreamError(f"section {name!r} has an id that was used", offset=at, got=f"0x{identity:08x}")
        if len(self._ids) == MAX_SECTIONS:
            raise StreamError("there are too many sections", offset=at, expected=f"at most {MAX_SECTIONS}")
        self._ids.add(identity)
        head = self._file.read(at, cursor.offset - at)
        section = Section(name, instance, version, identity, head, cursor.offset)
        self.heads.append(head)
        if kind == Element.SECTION_START:
            self._open[identity] = section
            self._payload(section, kind, at)
        else:
            self._device(section)
        self._footer(section)

    def _part(self, kind: int, at: int) -> None:
        identity = self._cursor.number(4, "a section's header")
        section = self._open.get(identity)
        if section is None:
            raise StreamError("a section goes on that never began", offset=at, got=f"0x{identity:08x}")
        self._payload(section, kind, at)
        if kind == Element.SECTION_END:
            del self._open[identity]
            self.ram_ended |= section.name == RAM
        self._footer(section)

    def _payload(self, section: Section, kind: int, at: int) -> None:
        """A part of a section that goes on."""
        cursor = self._cursor
        start = cursor.offset
        if section.name == RAM:
            if self.ram is None:
                wire = Wire(self.configuration.capabilities, self._postcopy)
                self.ram = RamSection(self._file, section.version, wire, at)
            cursor.offset = self.ram.section(start)
        elif section.name == BLOCK:
            cursor.offset = ends.of_block(self._file, start)
        else:
            cursor.offset = self._search(section, start)
        if section.name != RAM and kind == Element.SECTION_START:
            self._keep_setup(section, start, cursor.offset)
        elif section.name != RAM:
            self._keep(section, kind, start, cursor.offset)

    def _keep_setup(self, section: Section, start: int, stop: int) -> None:
        """Keep what a section begins with that is not RAM."""
        if len(self.setups) + stop - start > MAX_SETUP:
            got = f"0x{stop - start:x} octets"
            raise StreamError(f"section {section.name!r} begins with too much", offset=start, got=got)
        self.setups += (stop - start).to_bytes(4, "big") + self._file.read(start, stop - start)

    def _keep(self, section: Section, kind: int, start: int, stop: int) -> None:
        """Note where a part of a section stands that is not RAM."""
        if not self.others or self.others[-1].name != section.name:
            self.others.append(Parts(section.name, array("q")))
        too_long = stop - start >= 1 << 32
        if too_long or len(self.others) > MAX_SECTIONS or len(self.shape) >= SHAPE.size * MAX_PARTS:
            raise StreamError(f"section {section.name!r} comes in too many parts, or too long ones", offset=start)
        self.shape += SHAPE.pack(kind, section.identity, stop - start)
        if stop > start:
            self.others[-1].edges.extend((start, stop))

    def _device(self, section: Section) -> None:
        """A whole section: its description tells its size, unless what follows says that it does not."""
        start = section.start
        description = self._described(section)
        size = vmdesc.size_of(description) if description is not None else None
        stop = start + size if size is not None else None
        if stop is None or not self._ends(stop, section.identity):
            description = None if stop is None else description
            stop = self._known(section)
            stop = self._search(section, start) if stop is None else stop
        if stop - start > MAX_SECTION:
            got = f"0x{stop - start:x} octets"
            raise StreamError(f"section {section.name!r} is too long", offset=start, got=got)
        self.devices.append(attrs.evolve(section, stop=stop, description=description))
        self._cursor.offset = stop

    def _described(self, section: Section) -> Mapping[str, Any] | None:
        devices = self.description.devices if self.description is not None else ()
        place = len(self.devices)
        if place < len(devices) and vmdesc.names(devices[place], section.name, section.instance):
            return devices[place]
        return None

    def _eof(self) -> int | None:
        return self.description.offset if self.description is not None else None

    def _ends(self, stop: int, identity: int) -> bool:
        """Whether a section can end at ``stop``."""
        if self.footers is not False and ends.has_footer(self._file, stop, identity):
            return True
        return not self.footers and ends.goes_on(self._file, stop, self._eof())

    def _known(self, section: Section) -> int | None:
        """Where a section ends whose length is known without a description, if it does end there."""
        for size in known_sizes(self._file, section.name, section.version, section.start):
            stop = section.start + size
            if self.footers is not False and ends.has_footer(self._file, stop, section.identity):
                return stop
            if not self.footers and ends.begins(self._file, stop, self._eof()):
                return stop
        return None

    def _search(self, section: Section, start: int) -> int:
        """Where a section of unknown length ends."""
        stop = None
        if self.footers is not False:
            stop = ends.by_footer(self._file, start, section.identity, self._eof())
        if stop is None and not self.footers:
            stop = ends.by_header(self._file, start, self._eof())
        if stop is None:
            raise StreamError(
                f"nothing tells where section {section.name!r} ends",
                offset=start,
                hint="what stands before it can be used; what follows is not read",
            )
        self.searched.add(section.name)
        return stop

    def _footer(self, section: Section) -> None:
        cursor = self._cursor
        if self.footers is None:
            self.footers = cursor.peek() == Element.FOOTER
        if self.footers:
            cursor.expect(Element.FOOTER, 1, f"the footer of section {section.name!r}")
            cursor.expect(section.identity, 4, f"the id in the footer of section {section.name!r}")

    def _command(self, at: int) -> None:
        command, size = self._cursor.number(2, "a command"), self._cursor.number(2, "a command")
        if command not in list(Command):
            raise StreamError("a command that is not known", offset=at, got=f"0x{command:04x}")
        body = self._cursor.take(size, "a command")
        if command == Command.PACKAGED and len(body) != PACKAGED_SIZE:
            raise StreamError("a package has no length", offset=at, expected="0x0004", got=f"0x{size:04x}")
        self._postcopy |= command == Command.POSTCOPY_ADVISE and bool(size)
        if len(self.commands) > MAX_SECTION:
            raise StreamError("there are too many commands", offset=at)
        self.commands += self._file.read(at, self._cursor.offset - at)
