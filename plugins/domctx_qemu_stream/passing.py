"""A stream that passes once: its pages are given out as they arrive, and what else it holds is kept as a stream.

What is kept is the stream itself without its pages, as if no page of RAM had been told of, and without what tells how
it was saved: a file in memory, which the reader of files opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from domctx.errors import StreamError, UnsupportedError
from domctx.files import CutError
from domctx.states import PageBatch
from domctx.values import frozen
from domctx_qemu_stream import ends
from domctx_qemu_stream.arriving import ArrivingFile
from domctx_qemu_stream.batching import Batching, Piece
from domctx_qemu_stream.blocks import Wire, WireBlock
from domctx_qemu_stream.configuration import Configuration, read_configuration
from domctx_qemu_stream.cursor import Cursor
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.kept import KeptStream
from domctx_qemu_stream.layout import RAM, RAM_BLOCKS, Element, Flag
from domctx_qemu_stream.plain import configure
from domctx_qemu_stream.ram import EMPTY, RamSection
from domctx_qemu_stream.runs import Place, Runs

WHAT: Final = "a section's header"


class _Noted(Runs):
    """The runs of one block, given out as they are found."""

    def __init__(self, index: int, pages: int, found: Callable[[Piece], None]) -> None:
        super().__init__(pages, _unpack, len, _unpack)
        self._index, self._found = index, found

    def add(self, first: int, count: int, offset: int, place: int) -> None:
        """One run."""
        self._found(Piece(self._index, first, count, offset, place))


class PassingRam(RamSection):
    """The RAM section of a stream that passes."""

    def __init__(self, file: ArrivingFile, version: int, at: int, capabilities: Sequence[str]) -> None:
        super().__init__(file, version, Wire(capabilities), at)
        self._arriving = file
        self.pieces: list[Piece] = []
        """What was found since this was last emptied."""

    def new_runs(self, block: WireBlock) -> Runs:
        """Runs that are given out at once."""
        index = next(place for place, each in enumerate(self.blocks) if each is block)
        return _Noted(index, block.pages, self.pieces.append)

    def windows(self, at: int) -> Iterator[tuple[int, memoryview]]:
        """Read the words from ``at`` on up to the one that ends the section.

        Each time ``pieces`` holds what a window tells: (its offset, the window). The last window is empty, and its
        offset is that behind the section. Raises CutError, StreamError.
        """
        ended = False
        while not ended:
            view = self._arriving.window(at)
            done, ended = self._window(view, at)
            yield at, view
            at += done
        yield at, memoryview(b"")

    def _cut(self) -> CutError:
        return self._arriving.cut("its RAM")


def _unpack(place: int, offset: int, before: bytes) -> bytes:
    raise UnsupportedError("a stream that passes has no packed pages", offset=offset)


@frozen
class Began:
    """A section that goes on."""

    name: str
    identity: int


class PassingStream:
    """Reads a stream once. ``kept`` takes what is not pages; nothing is read before ``begin``."""

    def __init__(self, file: ArrivingFile, kept: KeptStream) -> None:
        self._file, self._kept = file, kept
        self._open: dict[int, Began] = {}
        self._footers: bool | None = None
        self._at = 0
        self._batching: Batching | None = None
        self.configuration: Configuration | None = None
        self.ram: PassingRam | None = None

    def begin(self) -> Sequence[WireBlock]:
        """Read up to the list of RAM blocks, and that. Raises DomctxError where it is none that can be read so."""
        file = self._file
        configuration = self.configuration = read_configuration(file)
        self._kept.write(configuration.header, configure(configuration, ()))
        self._go(configuration.end)
        while self.ram is None:
            for _ in self._element():
                raise StreamError("pages stand before the RAM blocks are listed", offset=self._at)
        if not self.ram.blocks:
            raise StreamError("the RAM section does not begin with its blocks", offset=self._at)
        return self.ram.blocks

    def foretold(self, rest: bytes) -> StreamFile:
        """What is kept so far, as if the pages had passed and ``rest`` followed: to be read before they do."""
        found = self._kept.copy()
        (ram,) = (began for began in self._open.values() if began.name == RAM)
        head = bytes((Element.SECTION_END,)) + ram.identity.to_bytes(4, "big")
        found.write(head, EMPTY, ends.footer(ram.identity) if self._footers else b"", rest)
        try:
            return found.opened()
        finally:
            found.close()

    @property
    def told(self) -> Sequence[bool]:
        """Of each RAM block whether the stream told of any page of it."""
        assert self._batching is not None  # begin made it
        return self._batching.told

    def batches(self, pages: int) -> Iterator[PageBatch]:
        """The pages, as they arrive; valid until the next step. Then what follows is read to its end, and kept."""
        assert self.ram is not None  # begin made it
        self._batching = Batching([block.pages for block in self.ram.blocks], pages)
        while any(began.name == RAM for began in self._open.values()):
            yield from self._element()
        self._keep_rest()

    def missing(self, block: int) -> Iterator[PageBatch]:
        """The pages of a block of which the stream did not tell, as zeros."""
        assert self._batching is not None  # batches made it
        return self._batching.missing(block)

    def _keep_rest(self) -> None:
        while True:
            view = self._file.window(self._at)
            if not view:
                return
            self._kept.write(view)
            self._go(self._at + len(view))

    def _go(self, offset: int) -> None:
        self._at = offset
        self._file.let_go(offset)

    def _element(self) -> Iterator[PageBatch]:
        """Read one element."""
        cursor = Cursor(self._file, self._at)
        kind = cursor.number(1, "an element")
        if kind in (Element.SECTION_START, Element.SECTION_FULL):
            yield from self._named(kind, cursor)
        elif kind in (Element.SECTION_PART, Element.SECTION_END):
            yield from self._part(kind, cursor)
        elif kind == Element.COMMAND:
            cursor.number(2, "a command")
            cursor.take(cursor.number(2, "a command"), "a command")
            self._keep(cursor.offset)
        else:
            message = "an element that cannot stand before the end of RAM"
            raise StreamError(message, offset=self._at, got=f"0x{kind:02x}")

    def _named(self, kind: int, cursor: Cursor) -> Iterator[PageBatch]:
        at, identity, name = self._at, cursor.number(4, WHAT), cursor.text(WHAT)
        cursor.number(4, WHAT)
        version = cursor.number(4, WHAT)
        if identity in self._open:
            raise StreamError(f"section {name!r} has an id that was used", offset=at, got=f"0x{identity:08x}")
        began = Began(name, identity)
        if name == RAM and kind == Element.SECTION_START and self.ram is None:
            yield from self._ram_begins(began, version, cursor)
            return
        if kind == Element.SECTION_START:
            self._open[identity] = began
        self._other(began, cursor)

    def _part(self, kind: int, cursor: Cursor) -> Iterator[PageBatch]:
        at, identity = self._at, cursor.number(4, WHAT)
        began = self._open.get(identity)
        if began is None:
            raise StreamError("a section goes on that never began", offset=at, got=f"0x{identity:08x}")
        if kind == Element.SECTION_END:
            del self._open[identity]
        if began.name != RAM:
            self._other(began, cursor)
            return
        head = self._file.read(at, cursor.offset - at)
        yield from self._pages(cursor.offset)
        if kind == Element.SECTION_END:
            self._kept.write(head, EMPTY)
        self._footer(began, kept=kind == Element.SECTION_END)

    def _ram_begins(self, began: Began, version: int, cursor: Cursor) -> Iterator[PageBatch]:
        """The RAM section, with its blocks: kept with the fields that a stream has which leaves nothing out."""
        assert self.configuration is not None  # begin read it
        if version != RAM_BLOCKS:
            message = "the RAM section has a version that does not come from a live QEMU"
            got = f"0x{version:08x}"
            raise UnsupportedError(message, offset=self._at, expected=f"0x{RAM_BLOCKS:08x}", got=got)
        self._kept.write(self._file.read(self._at, cursor.offset - self._at))
        self.ram = PassingRam(self._file, version, self._at, self.configuration.capabilities)
        self._open[began.identity] = began
        yield from self._pages(cursor.offset)
        self._kept.write(listed(self.ram.blocks))
        self._footer(began, kept=True)

    def _pages(self, start: int) -> Iterator[PageBatch]:
        """The words of a part of the RAM section."""
        assert self.ram is not None
        pieces = self.ram.pieces
        for at, view in self.ram.windows(start):
            if pieces:
                if any(piece.place not in (Place.STREAM, Place.FILL) for piece in pieces):
                    raise UnsupportedError("a stream that passes has no packed pages", offset=at)
                if self._batching is None:
                    raise StreamError("pages stand before the RAM blocks are listed", offset=at)
                yield from self._batching.batches(pieces, view, at)
                pieces.clear()
            self._go(at)

    def _other(self, began: Began, cursor: Cursor) -> None:
        """A part of another section, kept as it is: nothing tells how long it is but its footer."""
        stop = None
        if self._footers is not False:
            stop = ends.by_footer(self._file, cursor.offset, began.identity, None)
        if stop is None:
            message = f"nothing tells where section {began.name!r} ends"
            raise UnsupportedError(message, offset=cursor.offset, hint="save the machine without it")
        self._keep(stop)
        self._footer(began, kept=True)

    def _footer(self, began: Began, *, kept: bool) -> None:
        if self._footers is None:
            self._footers = self._file.read(self._at, 1) == bytes((Element.FOOTER,))
        if self._footers:
            cursor = Cursor(self._file, self._at)
            cursor.expect(Element.FOOTER, 1, f"the footer of section {began.name!r}")
            cursor.expect(began.identity, 4, f"the id in the footer of section {began.name!r}")
            if kept:
                self._keep(cursor.offset)
            else:
                self._go(cursor.offset)

    def _keep(self, stop: int) -> None:
        """Keep what stands before ``stop``, and go on there."""
        self._kept.write(self._file.read(self._at, stop - self._at))
        self._go(stop)


def listed(blocks: Sequence[WireBlock]) -> bytes:
    """The payload that begins a RAM section: the list of its blocks, and no page (formats/qemu.md 2.2)."""
    total = sum(block.size for block in blocks)
    names = [block.name.encode("latin-1") for block in blocks]
    rows = (
        bytes((len(name),)) + name + block.size.to_bytes(8, "big") for name, block in zip(names, blocks, strict=True)
    )
    return b"".join(((total | Flag.MEM_SIZE).to_bytes(8, "big"), *rows, EMPTY))
