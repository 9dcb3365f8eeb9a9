"""Writes any domain that was QEMU's as a libvirt save image: header, XML, cookie, and the stream (qemu.md 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from domctx.api import Domain, FormatContext, Sink
from domctx.errors import DomainError, UsageError
from domctx.schema import encode
from domctx_libvirt.image import AnyHeader, decode_header, packing
from domctx_libvirt.layout import HEADER_SIZE, LAST_VERSION, MAX_DATA, METHODS, Header
from domctx_libvirt.names import COOKIE, DATA, HEADER, SAVED, SCHEME, XML
from domctx_libvirt.pack import PackSink
from domctx_qemu_stream import writer
from domctx_qemu_stream.files import open_file
from domctx_qemu_stream.heads import read_kept

ROOM: Final = 64 << 10
"""Octets of zeros that libvirt leaves for a longer XML."""
RAW, LZOP, SPARSE = "raw", "lzop", "sparse"


def write(source: Domain, sink: Sink, context: FormatContext) -> None:
    """Pull ``source`` into ``sink``. Options: ``xml``, ``compression``.

    Raises DomainError where the domain never was QEMU's or has no XML, UsageError for a file that is no domain XML.
    """
    head = writer.head_of(source).parts
    read_kept(head)  # who never was QEMU's is not asked for XML
    kept = {part.name: part.octets for part in head if part.format == SCHEME}
    header = _header(kept, running=source.machine.run_state == "running")
    method = _method(header, context)
    data, cookie = _data(kept, header, context.option("xml"))
    header = attrs.evolve(header, magic=SAVED, data_len=len(data), cookie_offset=cookie)
    if method != _kept_method(header):
        header = attrs.evolve(header, version=LAST_VERSION, compressed=METHODS.index(method))
    sink.write(encode(header) + data)
    if method == RAW:
        writer.write(source, sink, context)
        return
    packed = PackSink(sink, method)
    writer.write(source, packed, context)
    packed.close()


def _header(kept: Mapping[str, bytes], *, running: bool) -> AnyHeader:
    """The header that is kept, or a new one. Raises DomainError where it is none."""
    octets = kept.get(HEADER)
    if octets is None:
        return Header(SAVED, LAST_VERSION, 0, int(running), 0, 0, bytes(56))
    if len(octets) != HEADER_SIZE:
        raise DomainError("the header of a libvirt image has a wrong length", expected=HEADER_SIZE, got=len(octets))
    header = decode_header(octets)
    if not 0 < header.version <= LAST_VERSION:
        raise DomainError("the header of a libvirt image has an unknown version", got=f"0x{header.version:08x}")
    return header


def _kept_method(header: AnyHeader) -> str:
    number = packing(header)
    return METHODS[number] if number < len(METHODS) else ""


def _method(header: AnyHeader, context: FormatContext) -> str:
    """How the stream is to be packed: as chosen, else as it was."""
    chosen: str | None = context.option("compression")
    method = chosen or _kept_method(header)
    if method == SPARSE:
        context.note("the image was a sparse one (mapped-ram): it is written as a plain one, raw")
        return RAW
    if method == LZOP:
        context.note("blocks of lzop are written as they are, unpacked: choose zstd or gzip for a smaller image")
    return method or RAW


def _data(kept: Mapping[str, bytes], header: AnyHeader, path: str | None) -> tuple[bytes, int]:
    """What stands between header and stream, and where the cookie stands in it; 0 for none."""
    cookie = kept.get(COOKIE, b"")
    if path is not None:
        xml = _read_xml(path)
        place = len(xml) + 1 if cookie else 0
        needed = len(xml) + 1 + (len(cookie) + 1 if cookie else 0)
        size = header.data_len if needed <= header.data_len <= MAX_DATA else needed + ROOM
        return _laid_out(xml, cookie, size, place), place
    if XML not in kept:
        message = "the domain has no libvirt XML, and libvirt restores nothing without it"
        raise DomainError(message, hint="give it with -O xml=FILE, as virsh dumpxml prints it")
    if DATA in kept:
        return kept[DATA], header.cookie_offset
    return _laid_out(kept[XML], cookie, header.data_len, header.cookie_offset), header.cookie_offset


def _laid_out(xml: bytes, cookie: bytes, size: int, place: int) -> bytes:
    """XML and cookie, each with a NUL behind it, and zeros. Raises DomainError where they do not fit."""
    split = place or size
    if size > MAX_DATA or len(xml) > split or split + len(cookie) > size:
        got = f"0x{len(xml):x} and 0x{len(cookie):x} octets in 0x{size:x}, the cookie at 0x{place:x}"
        raise DomainError("XML and cookie of a libvirt image do not fit into it", got=got)
    return (xml.ljust(split, b"\0") + cookie).ljust(size, b"\0")


def _read_xml(path: str) -> bytes:
    """A domain's XML. Raises UsageError where the file holds none."""
    file = open_file(path)
    try:
        octets = file.read(0, MAX_DATA // 2).rstrip(b"\0")
    finally:
        file.close()
    if b"<domain" not in octets or b"\0" in octets or file.size > MAX_DATA // 2:
        raise UsageError("is no XML of a libvirt domain", file=path, expected="<domain ...>", hint="see virsh dumpxml")
    return octets
