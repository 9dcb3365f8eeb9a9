"""The framing of an HVM save image: entries out of octets and back (formats/xen.md 3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from domctx.errors import RecordError, UnsupportedError
from domctx.schema import decode, encode, size_of
from domctx.values import frozen
from domctx_hvm.layout import END, FILE_MAGIC, FILE_VERSION, HEADER, MAX_ENTRIES, Descriptor, Header

HEAD: Final = size_of(Descriptor)


@frozen
class Entry:
    """One entry: ``offset`` is that of its descriptor in the image."""

    typecode: int
    instance: int
    octets: bytes
    offset: int = 0


@frozen
class HvmImage:
    """An image taken apart: every entry, HEADER and END among them, and what stands behind END, which Xen ignores."""

    entries: tuple[Entry, ...]
    trailing: bytes = b""


def split(octets: bytes) -> HvmImage:
    """The entries of an image.

    Raises RecordError where an entry ends early, HEADER is not first or END is missing; UnsupportedError for a HEADER
    of another version.
    """
    entries = tuple(_entries(octets))
    last = entries[-1]
    return HvmImage(entries, octets[last.offset + HEAD :])


def join(entries: Iterable[Entry], trailing: bytes = b"") -> bytes:
    """The octets of entries, in their order; ``offset`` is not looked at."""
    parts = [encode(Descriptor(entry.typecode, entry.instance, len(entry.octets))) + entry.octets for entry in entries]
    return b"".join([*parts, trailing])


def _entries(octets: bytes) -> Iterator[Entry]:
    place = 0
    for _ in range(MAX_ENTRIES):
        entry = _entry(octets, place)
        if place == 0:
            check_header(entry)
        yield entry
        if entry.typecode == END:
            _check_end(entry)
            return
        place += HEAD + len(entry.octets)
    raise RecordError("the HVM context has too many entries", expected=f"at most 0x{MAX_ENTRIES:08x}", offset=place)


def _entry(octets: bytes, place: int) -> Entry:
    left = len(octets) - place
    if left < HEAD:
        raise RecordError(
            "the HVM context ends without an END entry",
            offset=place,
            expected=f"a descriptor of 0x{HEAD:08x} octets",
            got=f"0x{left:08x}",
        )
    found = decode(Descriptor, octets[place : place + HEAD])
    body = octets[place + HEAD : place + HEAD + found.length]
    if len(body) < found.length:
        raise RecordError(
            f"entry type {found.typecode} instance {found.instance} reaches beyond the HVM context",
            offset=place,
            expected=f"at most 0x{len(body):08x} octets",
            got=f"0x{found.length:08x}",
        )
    return Entry(found.typecode, found.instance, body, place)


def check_header(entry: Entry) -> None:
    """Check the first entry. Raises RecordError for one that is no HEADER, UnsupportedError for another version."""
    if (entry.typecode, entry.instance) != (HEADER, 0):
        raise RecordError(
            "the HVM context does not begin with HEADER",
            offset=entry.offset,
            expected="type 1 instance 0",
            got=f"type {entry.typecode} instance {entry.instance}",
        )
    header = decode(Header, entry.octets)
    if header.magic != FILE_MAGIC:
        raise RecordError(
            "HEADER has another magic",
            offset=entry.offset + HEAD,
            expected=f"0x{FILE_MAGIC:08x}",
            got=f"0x{header.magic:08x}",
        )
    if header.version != FILE_VERSION:
        raise UnsupportedError(
            "an HVM context of another version",
            offset=entry.offset + HEAD + 4,
            expected=f"0x{FILE_VERSION:08x}",
            got=f"0x{header.version:08x}",
        )


def _check_end(entry: Entry) -> None:
    if entry.instance or entry.octets:
        raise RecordError(
            "END is not an empty entry of instance 0",
            offset=entry.offset,
            expected="instance 0, 0x00000000 octets",
            got=f"instance {entry.instance}, 0x{len(entry.octets):08x} octets",
        )
