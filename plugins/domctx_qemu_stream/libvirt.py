"""libvirt save images: a header, the domain's XML, a cookie, and a QEMU stream that may be packed."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

import attrs

from domctx.api import FormatContext, Machine
from domctx.errors import StreamError, UnsupportedError
from domctx.files import in_file
from domctx.schema import decode
from domctx.states import ForeignPart
from domctx.values import frozen
from domctx_qemu_stream.domain import Given, QemuDomain
from domctx_qemu_stream.files import StreamFile, open_file
from domctx_qemu_stream.layout import LIBVIRT, LIBVIRT_PARTIAL, LIBVIRT_SAVED
from domctx_qemu_stream.libvirt_layout import (
    HEADER_SIZE,
    LAST_VERSION,
    MAX_DATA,
    METHODS,
    RAW_VERSION,
    Header,
    SwappedHeader,
)
from domctx_qemu_stream.unpack import METHODS as PACKED, unpack

HEADER: Final = "header"
XML: Final = "xml"
COOKIE: Final = "cookie"
DATA: Final = "data"
"""Everything between header and stream, where that is more than XML, cookie and zeros."""

NAME: Final = re.compile(rb"<name>([^<]{1,1024})</name>")
UUID: Final = re.compile(rb"<uuid>([0-9a-fA-F-]{36})</uuid>")


@frozen
class Image:
    """What stands before the stream; ``xml`` and ``cookie`` without the NUL behind them."""

    header: bytes
    partial: bool
    running: bool
    method: str
    xml: bytes
    cookie: bytes
    data: bytes
    """The XML with all that stands behind it, up to the stream."""

    @property
    def start(self) -> int:
        """Where the stream begins."""
        return HEADER_SIZE + len(self.data)


def read_image(file: StreamFile) -> Image:
    """What stands before the stream. Raises StreamError, UnsupportedError for another version or way of packing."""
    octets = file.take(0, HEADER_SIZE, "the header of a libvirt image")
    header: Header | SwappedHeader = decode(Header, octets)
    if header.magic not in (LIBVIRT_SAVED, LIBVIRT_PARTIAL):
        raise StreamError("is no libvirt image", offset=0, expected=LIBVIRT_SAVED.hex(" "), got=header.magic.hex(" "))
    if header.version > LAST_VERSION:
        header = decode(SwappedHeader, octets)
    if not 0 < header.version <= LAST_VERSION:
        expected, got = f"0x{LAST_VERSION:08x} at most", f"0x{int.from_bytes(octets[16:20], 'little'):08x}"
        raise UnsupportedError("a libvirt image of an unknown version", offset=16, expected=expected, got=got)
    if not 0 < header.data_len <= MAX_DATA or header.cookie_offset > header.data_len:
        got = f"0x{header.data_len:08x}, cookie at 0x{header.cookie_offset:08x}"
        raise StreamError("the XML of a libvirt image has a length that cannot be", offset=20, got=got)
    data = file.take(HEADER_SIZE, header.data_len, "the XML")
    split = header.cookie_offset or header.data_len
    return Image(
        header=octets,
        partial=header.magic == LIBVIRT_PARTIAL,
        running=header.was_running != 0,
        method=_method(header),
        xml=data[:split].partition(b"\0")[0],
        cookie=data[split:].partition(b"\0")[0],
        data=data,
    )


def _method(header: Header | SwappedHeader) -> str:
    """How the stream is packed."""
    number = header.compressed if header.version > RAW_VERSION else 0
    if number >= len(METHODS):
        known = ", ".join(METHODS)
        raise UnsupportedError(
            "a libvirt image that is packed in an unknown way", offset=28, expected=known, got=number
        )
    return METHODS[number]


class LibvirtDomain(QemuDomain):
    """An opened image; a stream that is packed was unpacked into a file that has no name."""

    scheme = LIBVIRT

    def __init__(self, path: str, image: Image, file: StreamFile, context: FormatContext) -> None:
        super().__init__(file, context.note, Given(ram_files=context.option("ram-file")))
        self.location = path
        self.image = image

    def _describe(self) -> Machine:
        """As the stream tells it; name, UUID and run state as libvirt does."""
        name, uuid = NAME.search(self.image.xml), UUID.search(self.image.xml)
        found = super()._describe()
        return attrs.evolve(
            found,
            name=html.unescape(name[1].decode("utf-8", "replace")) if name else found.name,
            uuid=uuid[1].decode().lower() if uuid else found.uuid,
            run_state="running" if self.image.running else "paused",
        )

    def head_parts(self) -> Iterator[ForeignPart]:
        """The image's own parts, and then those of the stream."""
        image = self.image
        yield ForeignPart(LIBVIRT, HEADER, image.header)
        yield ForeignPart(LIBVIRT, XML, image.xml)
        if image.cookie:
            yield ForeignPart(LIBVIRT, COOKIE, image.cookie)
        if image.data.replace(image.xml, b"", 1).replace(image.cookie, b"", 1).strip(b"\0"):
            yield ForeignPart(LIBVIRT, DATA, image.data)
        yield from super().head_parts()


def open_domain(path: str, context: FormatContext) -> LibvirtDomain:
    """Open an image. Raises DomctxError; one that is marked as incomplete is opened, and its states refuse."""
    file = open_file(path, scheme=LIBVIRT)
    try:
        with in_file(path):
            image = read_image(file)
            stream = _stream(file, image, context)
    except BaseException:
        file.close()
        raise
    domain = LibvirtDomain(path, image, stream, context)
    try:
        elements = domain.elements
    except BaseException:
        domain.close()
        raise
    if image.partial:
        elements.spoil(StreamError("the image is marked as incomplete: its save never ended", offset=0))
        context.note(f"{path}: the image is marked as incomplete: its save never ended")
    return domain


def _stream(file: StreamFile, image: Image, context: FormatContext) -> StreamFile:
    """The stream of an image: in the image itself, or unpacked."""
    file.start = image.start
    if image.method in PACKED:
        spool = unpack(file, image.method)
        context.note(f"{file.name}: unpacked {image.method} into a temporary file of 0x{spool.size:x} octets")
        file.close()
        return spool
    return file
