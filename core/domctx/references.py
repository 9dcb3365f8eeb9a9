"""References: ``[scheme:]path``. Reading needs no scheme, the magic tells; ``./sim:x`` is a file; ``-`` a stream."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from domctx.api import Format
from domctx.disk import refused
from domctx.errors import UnsupportedError, UsageError
from domctx.files import open_spool, put
from domctx.handlers import guard
from domctx.manager import Plugin
from domctx.registry import Registry
from domctx.values import frozen
from domctx.wire import START_BODY, TYPE_START, pack_header

if TYPE_CHECKING:
    from domctx.protocols import Source

STREAM: Final = "-"
IMAGE: Final = "dctx"
HEAD: Final = 64 << 10
"""Octets at the start of a file by which its format is told."""

PIECE: Final = 1 << 20
"""Octets that are copied at once."""

IMAGE_MAGIC: Final = pack_header(TYPE_START, 0, START_BODY.size)
IMAGE_FORMAT: Final = Format(
    scheme=IMAGE, summary="domctx's own image, or a plain domain context v10 image", magics=((0, IMAGE_MAGIC),)
)


@frozen
class Reference:
    """A parsed reference; ``scheme`` is None where none was given."""

    scheme: str | None
    location: str

    @property
    def is_stream(self) -> bool:
        """Whether it names standard input or output."""
        return self.location == STREAM

    def __str__(self) -> str:
        return f"{self.scheme}:{self.location}" if self.scheme else self.location


def parse(text: str, registry: Registry) -> Reference:
    """Parse a reference. Raises UsageError for a scheme that no plugin has, unless a file has that very name."""
    scheme, colon, location = text.partition(":")
    if not colon or "/" in scheme:
        return Reference(None, text)
    if scheme in registry.formats:
        if not location:
            raise UsageError(f"{text!r} names nothing", hint=f"write {scheme}:PATH")
        return Reference(scheme, location)
    if os.path.lexists(text):
        return Reference(None, text)
    known = ", ".join(sorted(registry.formats))
    raise UsageError(f"unknown scheme {scheme!r}", hint=f"known: {known}; ./{text} is a file")


def head_of(path: str) -> bytes:
    """The first 64 KiB of a file. Raises DomctxError where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(HEAD)
    except OSError as error:
        raise refused(error, path) from error


def detect(path: str, registry: Registry) -> Format:
    """The format of a file by its magic. Raises UnsupportedError where nobody knows it, or two claim it.

    Folders, sockets and pipes have no magic that can be looked at: UsageError.
    """
    if os.path.isdir(path):
        raise UsageError("is a folder", file=path, hint=f"write sim:{path} if it is a simulated machine")
    mode = _mode(path)
    if stat.S_ISFIFO(mode):
        raise UsageError("is a pipe", file=path, hint=f"a pipe is read as standard input: write {STREAM} for it")
    if stat.S_ISSOCK(mode):
        raise UsageError("is a socket", file=path, hint=f"write qmp:{path} if it is the monitor of a QEMU")
    head = head_of(path)
    found = [format_ for format_, plugin in registry.formats.values() if _matches(format_, head, plugin)]
    if len(found) > 1:
        schemes = ", ".join(sorted(f"{each.scheme} (of {registry.formats[each.scheme][1].name})" for each in found))
        raise UnsupportedError("several formats claim the file", file=path, got=schemes, hint="give the scheme")
    if not found:
        raise UnsupportedError(
            "no format is known that begins so",
            file=path,
            got=head[:16].hex(" ") or "an empty file",
            hint=f"give the scheme; known: {', '.join(sorted(registry.formats))}",
        )
    return found[0]


def _mode(path: str) -> int:
    """What kind of file it is; none where that cannot be told."""
    try:
        return os.stat(path).st_mode
    except OSError:
        return 0


def _matches(format_: Format, head: bytes, plugin: Plugin) -> bool:
    if any(head[offset : offset + len(magic)] == magic for offset, magic in format_.magics):
        return True
    probe = format_.probe
    return probe is not None and guard(lambda: probe(head), [plugin])


def spool(source: Source) -> tuple[str, int]:
    """Copy a pipe to an unlinked file: a path by which it can be opened again, and its descriptor.

    Raises DomainError where the pipe cannot be read, or the temporary folder refuses.
    """
    import tempfile

    kept = open_spool()
    try:
        done = 0
        while piece := source.read(PIECE):
            put(kept, done, piece, tempfile.gettempdir())
            done += len(piece)
    except BaseException:
        os.close(kept)
        raise
    return f"/proc/self/fd/{kept}", kept
