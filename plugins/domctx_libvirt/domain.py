"""libvirt save images: a header, the domain's XML, a cookie, and a QEMU stream that may be packed."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

import attrs

from domctx.api import FormatContext, Machine
from domctx.errors import StreamError
from domctx.files import in_file
from domctx.states import ForeignPart
from domctx_libvirt.image import Image, read_image
from domctx_libvirt.names import COOKIE, DATA, HEADER, SCHEME, XML
from domctx_libvirt.unpack import METHODS as PACKED, unpack
from domctx_qemu_stream.domain import Given, QemuDomain
from domctx_qemu_stream.files import StreamFile, open_file

NAME: Final = re.compile(rb"<name>([^<]{1,1024})</name>")
UUID: Final = re.compile(rb"<uuid>([0-9a-fA-F-]{36})</uuid>")


class LibvirtDomain(QemuDomain):
    """An opened image; a stream that is packed was unpacked into a file that has no name."""

    scheme = SCHEME

    def __init__(self, path: str, image: Image, file: StreamFile, context: FormatContext) -> None:
        super().__init__(file, context.note, Given(ram_files=context.option("ram-file"), nodes=context.option("node")))
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
        yield ForeignPart(SCHEME, HEADER, image.header)
        yield ForeignPart(SCHEME, XML, image.xml)
        if image.cookie:
            yield ForeignPart(SCHEME, COOKIE, image.cookie)
        if image.data.replace(image.xml, b"", 1).replace(image.cookie, b"", 1).strip(b"\0"):
            yield ForeignPart(SCHEME, DATA, image.data)
        yield from super().head_parts()


def open_domain(path: str, context: FormatContext) -> LibvirtDomain:
    """Open an image. Raises DomctxError; one that is marked as incomplete is opened, and its states refuse."""
    file = open_file(path, scheme=SCHEME)
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
        spool, end = unpack(file, image.method)
        context.note(f"{file.name}: unpacked {image.method} into a temporary file of 0x{spool.size:x} octets")
        if end < file.size:
            context.note(f"{file.name}: 0x{file.size - end:x} octets stand behind what is packed; they are left behind")
        file.close()
        return spool
    return file
