"""libvirt save images, composed from formats/qemu.md 5 and from nothing of the reader."""

from __future__ import annotations

import struct
from pathlib import Path

from domctx.context import OpenContext, Operation
from domctx_libvirt.domain import LibvirtDomain, open_domain
from domctx_libvirt.plugin import OPTIONS
from helpers import qemu_streams as qs

XML = b"<domain><name>g&amp;1</name><uuid>391D6B15-1b83-484d-b3ca-aca927322a65</uuid></domain>"
COOKIE = b"<cookie/>"


def image(
    stream: bytes,
    method: int = 0,
    *,
    magic: bytes = b"LibvirtQemudSave",
    version: int = 2,
    order: str = "<",
    cookie: bytes = COOKIE,
    running: int = 1,
    length: int | None = None,
    offset: int | None = None,
) -> bytes:
    """An image with a stream that is packed already."""
    data = XML + b"\0" + (cookie + b"\0" if cookie else b"") + bytes(100)
    place = (len(XML) + 1 if cookie else 0) if offset is None else offset
    size = len(data) if length is None else length
    return magic + struct.pack(order + "5I56x", version, size, running, method, place) + data + stream


def opened(folder: Path, octets: bytes) -> LibvirtDomain:
    """An image as a domain."""
    return open_domain(str(qs.written(folder, octets, "vm.save")), OpenContext(Operation(), OPTIONS, {}))
