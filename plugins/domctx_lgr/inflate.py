"""gzip files of one or many members: inflated in order, and at random through an unlinked spool."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, cast

from isal import igzip_lib

from domctx.disk import refused
from domctx.errors import StreamError
from domctx.files import open_spool
from domctx_lgr.files import PlainFile, Stream, open_plain
from domctx_lgr.layout import GZIP_MAGIC

WINDOW: Final = 256 << 10
"""Compressed octets that are read at once."""
FIRST_FEED: Final = 16 << 10
"""Compressed octets that a member begins with: the inflater wants the whole header of a member at once."""
PIECE: Final = 256 << 10
"""Octets that are inflated at once."""
HEAD_LIMIT: Final = 5 << 20
"""Octets from the beginning that are kept in memory before a random read spools: header and page types fit."""
COPY: Final = 1 << 20
ISAL_ERROR: Final = cast("type[Exception]", igzip_lib.IsalError)
"""Its stub says that it is an instance, and not the class."""


def beginning(head: bytes, size: int) -> bytes:
    """At most ``size`` octets that a gzip file inflates to which begins with ``head``; none where it is none."""
    try:
        return bytes(igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP).decompress(head, size))
    except ISAL_ERROR:
        return b""


class Inflater:
    """The octets of all members of a gzip file in order; each member's CRC-32 and length are checked at its end."""

    def __init__(self, file: PlainFile) -> None:
        self._file = file
        self._window = memoryview(b"")
        self._base = 0
        self._cursor = 0
        self._member: igzip_lib.IgzipDecompressor | None = None
        self._fresh = True
        self.ended = False
        self.trailing: int | None = None
        """Where octets begin, in the file, that stand behind the last member; None where there are none."""

    def fill(self, view: memoryview) -> int:
        """Fill ``view``; fewer octets only at the end. Raises StreamError for a broken or a cut member."""
        done = 0
        while done < len(view):
            piece = self._next(min(PIECE, len(view) - done))
            if not piece:
                break
            view[done : done + len(piece)] = piece
            done += len(piece)
        return done

    def _next(self, most: int) -> bytes:
        while not self.ended:
            if self._member is None:
                self._begin_member()
                continue
            piece = self._inflate(self._member, most)
            if self._member.eof:
                self._cursor -= len(self._member.unused_data)
                self._member = None
            if piece:
                return piece
        return b""

    def _begin_member(self) -> None:
        self._fill_window(FIRST_FEED)
        rest = bytes(self._window[self._cursor : self._cursor + len(GZIP_MAGIC)])
        if rest == GZIP_MAGIC:
            self._member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
            self._fresh = True
            return
        self.ended = True
        if rest:
            self.trailing = self._base + self._cursor

    def _inflate(self, member: igzip_lib.IgzipDecompressor, most: int) -> bytes:
        feed: bytes | memoryview = b""
        if member.needs_input:
            size = FIRST_FEED if self._fresh else WINDOW
            self._fill_window(size if self._fresh else 1)
            feed = self._window[self._cursor : self._cursor + size]
            if not feed:
                raise StreamError("the gzip file ends early", file=self._file.name, offset=self._base + self._cursor)
            self._fresh = False
            self._cursor += len(feed)
        try:
            return bytes(member.decompress(feed, most))
        except ISAL_ERROR as error:
            where = self._base + self._cursor - len(feed)
            message = f"the gzip file is damaged here or shortly before ({error})"
            raise StreamError(message, file=self._file.name, offset=where) from error

    def _fill_window(self, least: int) -> None:
        """Have ``least`` octets in the window from the cursor on, or all that are left."""
        if len(self._window) - self._cursor < least:
            kept = bytes(self._window[self._cursor :])
            self._base += self._cursor
            self._cursor = 0
            self._window = memoryview(kept + self._file.read(self._base + len(kept), WINDOW))


class GzipFile:
    """Octets of a gzip file. The beginning is kept in memory; the first random read past it spools everything.

    ``note`` is told when that happens. ``most`` bounds what is spooled.
    """

    def __init__(self, file: PlainFile, note: Callable[[str], None]) -> None:
        self.name = f"{file.name} (inflated)"
        self.most: int | None = None
        self.file = file
        """The compressed octets."""
        self._note = note
        self._head = bytearray()
        self._header = Inflater(file)
        self._spooled: PlainFile | None = None
        self._trailing: int | None = None

    def read(self, offset: int, size: int) -> bytes:
        """Octets at random, fewer than asked for only at the end."""
        if self._spooled is None and offset + size <= HEAD_LIMIT:
            self._grow_head(offset + size)
            return bytes(memoryview(self._head)[offset : offset + size])
        return self._spool().read(offset, size)

    def fill(self, offset: int, view: memoryview) -> int:
        """Fill ``view`` at random."""
        return self._spool().fill(offset, view)

    def stream(self, offset: int) -> Stream:
        """The octets from ``offset`` on, inflated as they are asked for."""
        if self._spooled is not None:
            return self._spooled.stream(offset)
        inflater = Inflater(self.file)
        skipped = memoryview(bytearray(min(COPY, offset)))
        while offset:
            got = inflater.fill(skipped[:offset])
            if not got:
                break
            offset -= got
        return inflater

    def length(self) -> int:
        """How many octets the members inflate to."""
        return self._spool().size

    def promised(self) -> int:
        """The last four octets of the file: the size modulo 2**32 where there is one member and nothing behind it."""
        return int.from_bytes(self.file.read(self.file.size - 4, 4), "little")

    def end(self) -> int:
        """Where the last member ends, among the compressed octets."""
        self._spool()
        return self.file.size if self._trailing is None else self._trailing

    def close(self) -> None:
        """Close the file and its spool."""
        self.file.close()
        if self._spooled is not None:
            self._spooled.close()

    def _grow_head(self, size: int) -> None:
        missing = size - len(self._head)
        if missing > 0:
            more = bytearray(missing)
            got = self._header.fill(memoryview(more))
            self._head += memoryview(more)[:got]

    def _spool(self) -> PlainFile:
        if self._spooled is None:
            self._note(f"{self.file.name}: inflated to an unlinked file, to be read at random")
            descriptor = open_spool(self.file.name)
            try:
                self._inflate_to(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            self._spooled = PlainFile(descriptor, self.name)
            self._head.clear()
        return self._spooled

    def _inflate_to(self, descriptor: int) -> None:
        inflater, piece, done = Inflater(self.file), memoryview(bytearray(COPY)), 0
        while got := inflater.fill(piece):
            done += got
            if self.most is not None and done > self.most:
                limit = f"at most {self.most} octets"
                message = "the gzip file inflates to more than any record of its size"
                raise StreamError(message, file=self.file.name, expected=limit)
            _write_all(descriptor, piece[:got], self.file.name)
        self._trailing = inflater.trailing


def open_octets(path: str, note: Callable[[str], None]) -> PlainFile | GzipFile:
    """Open a file, gzip or not, as its first two octets say. Raises as ``open_plain``."""
    file = open_plain(path)
    return GzipFile(file, note) if file.read(0, len(GZIP_MAGIC)) == GZIP_MAGIC else file


def _write_all(descriptor: int, octets: memoryview, name: str) -> None:
    try:
        while octets:
            octets = octets[os.write(descriptor, octets) :]
    except OSError as error:
        raise refused(error, f"{name} (its spool)") from error
