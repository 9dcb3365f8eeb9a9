"""Writes what sections other than RAM go on with: disks of block migration, dirty bitmaps (formats/qemu.md 1.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from domctx.api import Sink
from domctx.errors import DomainError
from domctx_qemu_stream import ends
from domctx_qemu_stream.heads import Head
from domctx_qemu_stream.layout import MAX_PARTS, SHAPE, Element

LIMIT: Final = MAX_PARTS * SHAPE.size
MISFIT: Final = "sections other than RAM do not come as their shape says"


class Others:
    """Cuts the octets of these sections into the parts in which they came; rows of ``SHAPE`` say how.

    ``first`` is called before anything is written, ``ending`` before a section ends.
    """

    def __init__(
        self,
        sink: Sink,
        heads: Iterable[Head],
        *,
        footers: bool,
        first: Callable[[], None],
        ending: Callable[[Head], None],
    ) -> None:
        self._sink, self._footers = sink, footers
        self._first, self._ending = first, ending
        self._heads = {head.identity: head for head in heads}
        self._rows = bytearray()
        self._place = self._left = 0
        self._footer: bytes | None = None
        """What ends the part that is open."""

    @property
    def pending(self) -> bool:
        """Whether one of the sections did not end yet."""
        return bool(self._heads) or self._footer is not None

    def shape(self, octets: bytes) -> None:
        """Take rows of ``SHAPE``, cut anywhere. Raises DomainError for more than any stream has."""
        self._rows += octets
        if len(self._rows) > LIMIT:
            raise DomainError("sections other than RAM come in too many parts")

    def payload(self, octets: bytes) -> None:
        """Take what the parts hold, cut anywhere. Raises DomainError where the shape has no room for it."""
        view = memoryview(octets)
        while True:
            piece = view[: self._left]
            self._sink.write(piece)
            view = view[len(piece) :]
            self._left -= len(piece)
            if self._left or not self._next():
                break
        if view:
            raise DomainError(MISFIT, got=f"0x{len(view):x} octets more")

    def _next(self) -> bool:
        """End the part that is open and begin the next; whether there is one."""
        if self._footer is not None:
            self._sink.write(self._footer)
            self._footer = None
        if self._place == len(self._rows):
            return False
        if self._place + SHAPE.size > len(self._rows):
            raise DomainError(MISFIT, got="half a row")
        kind, identity, self._left = SHAPE.unpack_from(self._rows, self._place)
        self._place += SHAPE.size
        head = self._heads.get(identity)
        if head is None or kind not in (Element.SECTION_PART, Element.SECTION_END):
            raise DomainError(MISFIT, got=f"a part 0x{kind:02x} of section 0x{identity:08x}")
        self._first()
        if kind == Element.SECTION_END:
            self._ending(head)
            del self._heads[identity]
        self._sink.write(bytes((kind,)) + identity.to_bytes(4, "big"))
        self._footer = ends.footer(identity) if self._footers else b""
        return True

    def finish(self) -> None:
        """Write the parts that hold nothing. Raises DomainError where a section did not end."""
        self.payload(b"")
        if self._left or self.pending:
            names = ", ".join(repr(head.name) for head in self._heads.values())
            raise DomainError(MISFIT, got=f"no end of {names or 'the last part'}")
