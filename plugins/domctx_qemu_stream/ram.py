"""The RAM section: words of flags and addresses, each followed by what it tells (formats/qemu.md 2.1)."""

from __future__ import annotations

import struct
from typing import Final

from domctx.errors import DomctxError, StreamError, UnsupportedError
from domctx.files import CutError
from domctx_qemu_stream.blocks import Wire, WireBlock, flat_block, read_blocks
from domctx_qemu_stream.cursor import Cursor
from domctx_qemu_stream.files import Spool, StreamFile
from domctx_qemu_stream.follow import WORD, follow
from domctx_qemu_stream.layout import (
    COMPRESSED_LIMIT,
    PAGE_SHIFT,
    PAGE_SIZE,
    RAM_BLOCKS,
    RAM_FLAT,
    XBZRLE_MARK,
    Flag,
)
from domctx_qemu_stream.packed import PackedPages
from domctx_qemu_stream.runs import Place, Runs
from domctx_qemu_stream.windows import OVERLAP, Windows

CONTINUE: Final = int(Flag.CONTINUE)
DATA: Final = int(Flag.ZERO | Flag.PAGE | Flag.XBZRLE | Flag.COMPRESS_PAGE)
PAGE: Final = int(Flag.PAGE)
ZERO: Final = int(Flag.ZERO)
STREAM, FILL = int(Place.STREAM), int(Place.FILL)
FLAGS: Final = PAGE_SIZE - 1
EMPTY: Final = WORD.pack(Flag.EOS)
"""A section that tells nothing; a guest that stands still sends many."""


class RamSection:
    """Reads the sections of RAM one behind the other, and notes where each page is."""

    def __init__(self, file: StreamFile, version: int, wire: Wire, at: int) -> None:
        if version not in (RAM_FLAT, RAM_BLOCKS):
            expected = f"0x{RAM_FLAT:08x} or 0x{RAM_BLOCKS:08x}"
            message = "the RAM section has a version that is not known"
            raise UnsupportedError(message, offset=at, expected=expected, got=f"0x{version:08x}")
        self._file, self._version, self._wire = file, version, wire
        self._windows = Windows(file)
        self.offset = at
        self.spool = Spool(file.name)
        self._packed = PackedPages(file, self.spool)
        self.blocks: list[WireBlock] = []
        self.runs: list[Runs] = []
        self.flushed = False
        """Whether a word spoke of multifd channels."""
        self.carried = False
        """Whether any page came with its contents."""
        self.packed: set[Place] = set()
        """The ways in which pages came that are not there as they are."""
        self._names: dict[bytes, int] = {}
        self._block: int | None = 0 if version == RAM_FLAT else None

    def section(self, at: int) -> int:
        """Read the words from ``at`` on up to the one that ends the section; the offset behind it."""
        if self._file.read(at, 8) == EMPTY:
            return at + 8
        ended = False
        while not ended:
            done, ended = self._window(self._windows.at(at), at)
            at += done
        return at

    def end(self) -> None:
        """No section follows."""
        self._windows.close()

    def _window(self, view: memoryview, at: int) -> tuple[int, bool]:
        """Read the words of a window from ``at`` on; how many octets they were, and whether the section ended."""
        last = at + len(view) >= self._file.size
        try:
            done, ended = self._words(view, at, len(view) if last else len(view) - OVERLAP)
        except (struct.error, IndexError) as error:
            raise self._cut() from error
        if not ended and last and done >= len(view):
            raise self._cut()
        return done, ended

    def _cut(self) -> CutError:
        return CutError("the stream ends early, in its RAM", offset=self._file.size)

    def _words(self, view: memoryview, base: int, stop: int) -> tuple[int, bool]:
        """Read records that begin before ``stop``; where they end, and whether the section does."""
        at = 0
        while at < stop:
            (word,) = WORD.unpack_from(view, at)
            flags = word & FLAGS
            if flags & DATA:
                at = self._page(view, at, word, base)
            elif flags & Flag.MEM_SIZE:
                return self._mem_size(base + at, word) - base, False
            elif flags & Flag.EOS:
                return at + 8, True
            elif flags in (Flag.HOOK, Flag.MULTIFD_FLUSH):
                self.flushed |= flags == Flag.MULTIFD_FLUSH
                at += 8
            else:
                raise self._strange(flags, base + at)
        return at, False

    def _strange(self, flags: int, offset: int) -> DomctxError:
        if flags & Flag.FULL:
            return UnsupportedError("RAM packed as a whole, as before 2009, is not read", offset=offset)
        return StreamError("a word of the RAM section has flags that cannot be", offset=offset, got=f"0x{flags:03x}")

    def _mem_size(self, offset: int, word: int) -> int:
        """Read the list of blocks; the offset behind it."""
        if word & FLAGS != Flag.MEM_SIZE or self.blocks:
            why = "the RAM's size is told twice" if self.blocks else "a word has flags that cannot be"
            raise StreamError(why, offset=offset, got=f"0x{word & FLAGS:03x}")
        cursor = Cursor(self._file, offset + 8)
        if self._version == RAM_FLAT:
            self.blocks = [flat_block(word & ~FLAGS, offset)]
        else:
            self.blocks = read_blocks(cursor, word & ~FLAGS, self._wire)
        self._names = {block.name.encode("latin-1"): index for index, block in enumerate(self.blocks)}
        self.runs = [self.new_runs(block) for block in self.blocks]
        return cursor.offset

    def new_runs(self, block: WireBlock) -> Runs:
        """No runs of a block yet."""
        return Runs(block.pages, self._packed.unpack, self.spool.append, self._packed.fetch)

    def _page(self, view: memoryview, at: int, word: int, base: int) -> int:
        """One page, and as many more as follow it evenly; the place behind them."""
        flags, data = word & FLAGS, at + 8
        if not flags & CONTINUE and self._version != RAM_FLAT:
            data += 1 + view[data]
            if data > len(view):
                raise IndexError
            self._block = self._named(bytes(view[at + 9 : data]), base + at)
        index = self._block
        if index is None or index >= len(self.blocks):
            raise StreamError("a page stands before any block is named", offset=base + at)
        first = word >> PAGE_SHIFT
        kind = flags & ~CONTINUE
        again = word if self._version == RAM_FLAT else word | CONTINUE
        if kind == PAGE:
            if data + PAGE_SIZE > len(view):
                raise IndexError
            self.carried = True
            count = 1 + follow(view, data + PAGE_SIZE, again + PAGE_SIZE, 8 + PAGE_SIZE)
            self._note(index, first, count, base + data, STREAM, base + at)
            return data + PAGE_SIZE + (count - 1) * (8 + PAGE_SIZE)
        if kind == ZERO:
            fill = view[data]
            count = 1 + follow(view, data + 1, again + PAGE_SIZE, 9)
            self._note(index, first, count, fill, FILL, base + at)
            return data + 1 + (count - 1) * 9
        self.carried = True
        if kind == Flag.XBZRLE:
            size = self._xbzrle_size(view, data, base)
            self._note(index, first, 1, base + data, Place.XBZRLE, base + at)
            self.packed.add(Place.XBZRLE)
        elif kind == Flag.COMPRESS_PAGE:
            size = self._packed_size(view, data, base)
            self._note(index, first, 1, base + data, Place.ZLIB, base + at)
            self.packed.add(Place.ZLIB)
        else:
            raise self._strange(flags, base + at)
        if data + size > len(view):
            raise IndexError
        return data + size

    def _named(self, name: bytes, offset: int) -> int:
        found = self._names.get(name)
        if found is None:
            known = ", ".join(repr(block.name) for block in self.blocks[:8]) or "none yet"
            got = repr(name.decode("latin-1"))
            raise StreamError("a page of a RAM block that is not listed", offset=offset, expected=known, got=got)
        return found

    def _note(self, index: int, first: int, count: int, offset: int, place: int, at: int) -> None:
        runs = self.runs[index]
        pages = runs.pages
        if first + count > pages:
            name = self.blocks[index].name
            raise StreamError(
                f"a page outside of RAM block {name!r}",
                offset=at,
                expected=f"below 0x{pages << PAGE_SHIFT:016x}",
                got=f"0x{max(first, pages) << PAGE_SHIFT:016x}",
            )
        runs.add(first, count, offset, place)

    def _xbzrle_size(self, view: memoryview, data: int, base: int) -> int:
        mark, size = view[data], int.from_bytes(view[data + 1 : data + 3], "big")
        if mark != XBZRLE_MARK or size > PAGE_SIZE:
            got = f"0x{mark:02x} 0x{size:04x}"
            message = "an XBZRLE page has a beginning that cannot be"
            raise StreamError(message, offset=base + data, expected=f"0x01, at most 0x{PAGE_SIZE:04x}", got=got)
        return 3 + size

    def _packed_size(self, view: memoryview, data: int, base: int) -> int:
        if data + 4 > len(view):
            raise IndexError
        size = int.from_bytes(view[data : data + 4], "big")
        if size > COMPRESSED_LIMIT:
            expected = f"at most 0x{COMPRESSED_LIMIT:08x}"
            message = "a compressed page is too long"
            raise StreamError(message, offset=base + data, expected=expected, got=f"0x{size:08x}")
        return 4 + size
