"""XenoGues and XenGuest kernel images: a signature, a load address, and a flat binary that is entered at its start.

Source: formats/xen.md 6.2. An image may be packed with gzip, in one member or several.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Final

import attrs

from domctx.errors import DomainError, DomctxError, RecordError, StreamError
from domctx.publish import refused
from domctx.values import frozen
from domctx_x86 import I386_2LEVEL, PAGE_MASK

SIGNATURES: Final = (b"XenGuest", b"XenoGues")
"""Since 2004-03-23, and before."""
_HEADER: Final = struct.Struct("<8sI")
_GZIP: Final = b"\x1f\x8b"
_PACK_SLACK: Final = 1 << 16
"""How much larger than its contents a packed image may be."""


@frozen
class KernelImage:
    """``payload`` is loaded at the linear address ``load_address``, and entered there."""

    load_address: int
    payload: bytes = attrs.field(repr=False)


def read_image(path: Path, limit: int) -> KernelImage:
    """Read an image of at most ``limit`` octets, packed or not.

    Raises DomainError where the file cannot be read or is larger, StreamError where it is no image or is cut or
    damaged, RecordError for a bad load address.
    """
    try:
        octets = read_limited(path, limit + _PACK_SLACK)
        if octets.startswith(_GZIP):
            octets = _unpack(octets, limit)
        if len(octets) > limit:
            raise DomainError("the kernel image is larger than the domain", expected=f"at most 0x{limit:x} octets")
        return _parse(octets)
    except DomctxError as error:
        raise error.at(file=str(path)) from error.__cause__


def read_limited(path: Path, limit: int) -> bytes:
    """The octets of a file, but at most one more than ``limit``. Raises DomainError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise refused(error, path) from error


def _unpack(octets: bytes, limit: int) -> bytes:
    unpacked = b""
    while octets and len(unpacked) <= limit:
        member = zlib.decompressobj(wbits=31)
        try:
            unpacked += member.decompress(octets, limit + 1 - len(unpacked))
        except zlib.error as error:
            raise StreamError("the kernel image's gzip data is damaged", got=str(error)) from error
        if not member.eof and len(unpacked) <= limit:
            raise StreamError("the kernel image's gzip data is cut")
        octets = member.unused_data
    return unpacked


def _parse(octets: bytes) -> KernelImage:
    if len(octets) <= _HEADER.size:
        raise StreamError("the kernel image is too short", expected="13 octets or more", got=len(octets))
    signature, load_address = _HEADER.unpack_from(octets)
    if signature not in SIGNATURES:
        raise StreamError(
            "this is no kernel image",
            offset=0,
            expected=" or ".join(each.decode() for each in SIGNATURES),
            got=repr(signature),
            hint="domctx make-guest wraps a flat binary as one",
        )
    check_load_address(load_address)
    return KernelImage(load_address, octets[_HEADER.size :])


def check_load_address(address: int) -> None:
    """Raise RecordError for a load address that is not a page's, or that belongs to the hypervisor."""
    if address & PAGE_MASK:
        raise RecordError("the load address is not page-aligned", offset=8, got=f"0x{address:08x}")
    if not 0 <= address < I386_2LEVEL.hypervisor_start:
        start = I386_2LEVEL.hypervisor_start
        raise RecordError(
            "the load address belongs to Xen", offset=8, expected=f"below 0x{start:08x}", got=f"0x{address:08x}"
        )


def make_guest(payload: bytes, load_address: int, *, packed: bool = False) -> bytes:
    """Wrap a flat binary as a XenGuest image. Raises RecordError for a bad load address or an empty binary."""
    check_load_address(load_address)
    if not payload:
        raise RecordError("the flat binary is empty")
    image = _HEADER.pack(SIGNATURES[0], load_address) + payload
    return gzip.compress(image, 6, mtime=0) if packed else image
