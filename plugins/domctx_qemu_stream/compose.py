"""Writes a migration stream, piece by piece, as the pieces come: the reader's counterpart (DESIGN.md 6, "Lossless").

A ``Composer`` gets what an image holds in the order in which it holds it, and puts a stream into a sink that QEMU
loads::

    composer = Composer(sink, machine.blocks, head.parts)   # refuses what never was QEMU's; writes nothing yet
    for note in composer.notes: ...                         # what a plain stream leaves out
    composer.begin()                                        # the header, at the latest when the first of these comes
    composer.pages(batch)                                   # any number, of any blocks and sizes; each page once
    composer.device(section)                                # all sections, in their order
    composer.tail(part)                                     # the parts of FOREIGN_TAIL, in their order
    composer.settle()                                       # all that is left but EOF: QEMU now waits for one octet
    composer.finish()                                       # EOF, and the description of the devices

Nothing is ever taken back, so the sink may be a pipe; what is given to ``pages`` is written at once. Every method
raises DomainError where what it gets does not fit to what is kept of the stream's head, and whatever the sink raises.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import attrs

from domctx.api import RamBlock, Sink
from domctx.errors import DomainError
from domctx.states import DeviceSection, ForeignPart, PageBatch
from domctx_qemu_stream import ends, plain
from domctx_qemu_stream.heads import Head, Kept, read_kept
from domctx_qemu_stream.layout import RAM, RAM_BLOCKS, SCHEME, Element
from domctx_qemu_stream.others import Others
from domctx_qemu_stream.parts import BEHIND, SECTION, SHAPE, VMDESC
from domctx_qemu_stream.ram_writer import RamWriter

EOF: Final = bytes((Element.EOF,))


class Composer:
    """Composes one stream. ``head`` are the parts of FOREIGN_HEAD, those of other formats are passed over.

    ``shared`` names the blocks whose pages are left out, since QEMU has them in shared memory: only then is the
    capability x-ignore-shared in the stream. ``addresses`` are, for each block, where its region stands in its
    container; None: as the source told them.
    """

    def __init__(
        self,
        sink: Sink,
        blocks: Sequence[RamBlock],
        head: Iterable[ForeignPart],
        *,
        shared: Collection[str] = (),
        addresses: Sequence[int] | None = None,
    ) -> None:
        kept = _with_ram(read_kept(head)) if blocks else read_kept(head)
        self._sink, self._kept = sink, kept
        self._dropped = plain.dropped(kept.configuration, shared=bool(shared))
        names = plain.capabilities(kept.configuration, shared=bool(shared))
        self._configuration = plain.configure(kept.configuration, names)
        self._ram = (
            None
            if kept.ram is None
            else RamWriter(
                sink,
                kept.ram,
                blocks,
                footers=kept.footers,
                shared=shared,
                addresses=kept.addresses if addresses is None else addresses,
            )
        )
        starts = [head for head in kept.heads if head.kind is Element.SECTION_START and head is not kept.ram]
        self._others = Others(sink, starts, footers=kept.footers, first=self._pause, ending=self._before_end)
        self._at = 0
        """How many of the sections that name themselves were begun."""
        self._opening = 1 + max(
            (at for at, each in enumerate(kept.heads) if each.kind is Element.SECTION_START), default=-1
        )
        """How many of them stand where the first section goes on."""
        self._written = self._ended = self._switched = self._settled = False
        self._held: list[DeviceSection] = []
        self._description = b""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was about how the machine was saved, and is not written."""
        found = []
        if self._dropped:
            names = ", ".join(self._dropped)
            found.append(f"the stream is written as a plain one, without the capabilities {names}: all pages are in it")
        if self._kept.commands.dropped:
            names = ", ".join(self._kept.commands.dropped)
            found.append(f"commands that only steer a migration are not written: {names}")
        return tuple(found)

    @property
    def shares(self) -> bool:
        """Whether the head is that of a stream without memory that QEMU had in shared files: absent pages are lost."""
        return bool(self._kept.addresses)

    @property
    def early(self) -> int:
        """How many device sections stand before the pages: ``device`` must get them before ``pages`` is called."""
        return sum(head.kind is Element.SECTION_FULL for head in self._kept.heads[: self._opening])

    def begin(self) -> None:
        """The header, and all sections that begin before the first device."""
        if not self._written:
            self._sink.write(self._kept.configuration.header + self._configuration)
            self._written = True
        heads = self._kept.heads
        while self._at < self._opening and heads[self._at].kind is Element.SECTION_START:
            self._start(heads[self._at])
            self._at += 1

    def pages(self, batch: PageBatch) -> None:
        """Write consecutive pages of a block; the arrays are the caller's again afterwards."""
        self._open()
        if self._ram is None or self._ended or self._held:
            raise DomainError("pages come behind what stands behind all pages", hint="make an image of it first")
        self._ram.pages(batch)

    def device(self, section: DeviceSection) -> None:
        """The next device section; held while a section that is no RAM goes on, else written at once."""
        self.begin()
        if self._at >= self._opening:
            self._open()
            if self._others.pending:
                self._held.append(section)
                return
            self._end()
        self._device(section)

    def tail(self, part: ForeignPart) -> None:
        """A part of FOREIGN_TAIL; what stood behind the stream is passed over, and so are other formats' parts."""
        if part.format != SCHEME or part.name == BEHIND:
            return
        if part.name == VMDESC:
            self._description = part.octets
        elif part.name == SHAPE:
            self._others.shape(part.octets)
        elif part.name.startswith(SECTION):
            self._open()
            self._others.payload(part.octets)
        else:
            raise DomainError(f"a part {part.name!r} of a stream is not known", hint="a newer domctx may write it")

    def settle(self) -> None:
        """Write everything but EOF and what follows it."""
        if self._settled:
            return
        self.begin()
        self._open()
        self._others.finish()
        self._end()
        held, self._held = self._held, []
        for section in held:
            self._device(section)
        if self._at < len(self._kept.heads):
            raise DomainError(f"there is no section {self._kept.heads[self._at].name!r}, which the stream had")
        self._settled = True

    def finish(self) -> None:
        """Write the end: QEMU takes the machine over."""
        self.settle()
        self._sink.write(EOF)
        if self._description:
            text = plain.describe(self._description, self._dropped)
            self._sink.write(bytes((Element.VMDESCRIPTION,)) + len(text).to_bytes(4, "big") + text)

    def _start(self, head: Head) -> None:
        if self._ram is not None and head is self._kept.ram:
            self._ram.begin()
        else:
            self._sink.write(head.octets + head.setup + self._footer(head))

    def _open(self) -> None:
        """As far as to where sections go on. Raises DomainError where a device has to come first."""
        self.begin()
        if self._at < self._opening:
            name = self._kept.heads[self._at].name
            raise DomainError(f"section {name!r} stands before the pages in a stream, and did not come before them")

    def _pause(self) -> None:
        if self._ram is not None:
            self._ram.pause()

    def _before_end(self, head: Head) -> None:
        """Before a section ends that is no RAM: RAM ends first where it began first."""
        self._switch()
        order = self._kept.heads
        if self._kept.ram is not None and order.index(self._kept.ram) < order.index(head):
            self._end()

    def _switch(self) -> None:
        """The command that stands before the sections end, where the stream had it."""
        if not self._switched:
            self._pause()
            self._sink.write(self._kept.commands.kept)
            self._switched = True

    def _end(self) -> None:
        """All pages were given."""
        if not self._ended:
            self._switch()
            if self._ram is not None:
                self._ram.end()
            self._ended = True

    def _device(self, section: DeviceSection) -> None:
        heads = self._kept.heads
        head = heads[self._at] if self._at < len(heads) else None
        if head is None or (head.name, head.instance, head.version) != (
            section.name,
            section.instance,
            section.version,
        ):
            due = (
                "no section more"
                if head is None
                else f"{head.name!r}, instance {head.instance}, version {head.version}"
            )
            got = f"{section.name!r}, instance {section.instance}, version {section.version}"
            raise DomainError("the device sections are not those of the stream", expected=due, got=got)
        self._sink.write(head.octets + section.octets + self._footer(head))
        self._at += 1

    def _footer(self, head: Head) -> bytes:
        return ends.footer(head.identity) if self._kept.footers else b""


def _with_ram(kept: Kept) -> Kept:
    """With a RAM section: a machine whose memory came another way has none yet."""
    if kept.ram is not None:
        return kept
    identity = 1 + max((head.identity for head in kept.heads), default=0)
    octets = bytes((Element.SECTION_START,)) + identity.to_bytes(4, "big") + bytes((len(RAM),)) + RAM.encode()
    octets += bytes(4) + RAM_BLOCKS.to_bytes(4, "big")
    head = Head(Element.SECTION_START, identity, RAM, 0, RAM_BLOCKS, octets)
    return attrs.evolve(kept, heads=(head, *kept.heads))
