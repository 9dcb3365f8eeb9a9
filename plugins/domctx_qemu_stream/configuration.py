"""The header of a stream and its CONFIGURATION (formats/qemu.md 1.1, 1.3)."""

from __future__ import annotations

import uuid
from typing import Final

import attrs

from domctx.errors import StreamError, UnsupportedError
from domctx.values import frozen
from domctx_qemu_stream.cursor import Cursor
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.layout import (
    COMPAT_VERSION,
    MAGIC,
    MAX_NAME,
    PAGE_SHIFT,
    VERSION,
    Element,
)
from domctx_qemu_stream.octets import Octets

WHAT: Final = "the configuration"
PREFIX: Final = "configuration/"
MAX_CAPABILITIES: Final = 256


@frozen
class Configuration:
    """What a stream says of itself first; ``octets`` are those of CONFIGURATION, none where there is none."""

    header: bytes
    octets: bytes
    end: int
    machine: str | None = None
    """The name of the machine type."""
    capabilities: tuple[str, ...] = ()
    uuid: str | None = None


def read_configuration(file: StreamFile | Octets) -> Configuration:
    """Header and configuration. Raises StreamError, UnsupportedError for another version or page size."""
    cursor = Cursor(file, file.start)
    header = _header(cursor)
    start = cursor.offset
    if cursor.peek() != Element.CONFIGURATION:
        return Configuration(header, b"", start)
    cursor.skip(1, WHAT)
    at, size = cursor.offset, cursor.number(4, WHAT)
    if size > MAX_NAME:
        expected, got = f"at most 0x{MAX_NAME:08x}", f"0x{size:08x}"
        raise StreamError("the machine type's name is too long", offset=at, expected=expected, got=got)
    machine = cursor.take(size, WHAT).decode("latin-1")
    found = _subsections(cursor)
    return Configuration(
        header=header,
        octets=file.read(start, cursor.offset - start),
        end=cursor.offset,
        machine=machine,
        capabilities=found.capabilities,
        uuid=found.uuid,
    )


def _header(cursor: Cursor) -> bytes:
    at = cursor.offset
    magic = cursor.take(len(MAGIC), "its header")
    if magic != MAGIC:
        raise StreamError("is no migration stream", offset=at, expected=MAGIC.hex(" "), got=magic.hex(" "))
    version = cursor.number(4, "its header")
    if version == COMPAT_VERSION:
        raise UnsupportedError(
            "a stream of version 2, as before 2009, is not read",
            offset=at + 4,
            hint="load it into the QEMU that wrote it, and save it again with a newer one",
        )
    if version != VERSION:
        expected, got = f"0x{VERSION:08x}", f"0x{version:08x}"
        raise UnsupportedError("a stream of an unknown version", offset=at + 4, expected=expected, got=got)
    return magic + version.to_bytes(4, "big")


@frozen
class _Found:
    capabilities: tuple[str, ...] = ()
    uuid: str | None = None


def _subsections(cursor: Cursor) -> _Found:
    """Those of the configuration, each once. Raises StreamError for one that is not known."""
    found, seen = _Found(), set[str]()
    while cursor.peek() == Element.SUBSECTION:
        at = cursor.offset
        cursor.skip(1, WHAT)
        name = cursor.text(WHAT)
        cursor.expect(1, 4, f"the version of {name!r}")
        if name in seen:
            raise StreamError(f"{name!r} is there twice", offset=at)
        seen.add(name)
        if name == PREFIX + "target-page-bits":
            _check_page_bits(cursor)
        elif name == PREFIX + "capabilities":
            found = attrs.evolve(found, capabilities=_capabilities(cursor))
        elif name == PREFIX + "uuid":
            found = attrs.evolve(found, uuid=str(uuid.UUID(bytes=cursor.take(16, WHAT))))
        else:
            raise UnsupportedError("a part of the configuration that is not known", offset=at, got=repr(name))
    return found


def _check_page_bits(cursor: Cursor) -> None:
    at, bits = cursor.offset, cursor.number(4, WHAT)
    if bits != PAGE_SHIFT:
        expected, got = f"0x{PAGE_SHIFT:08x}", f"0x{bits:08x}"
        message = "the stream is of a machine with pages of another size"
        raise UnsupportedError(message, offset=at, expected=expected, got=got)


def _capabilities(cursor: Cursor) -> tuple[str, ...]:
    at, count = cursor.offset, cursor.number(4, WHAT)
    if count > MAX_CAPABILITIES:
        expected, got = f"at most 0x{MAX_CAPABILITIES:08x}", f"0x{count:08x}"
        raise StreamError("there are too many capabilities", offset=at, expected=expected, got=got)
    return tuple(cursor.text(WHAT) for _ in range(count))
