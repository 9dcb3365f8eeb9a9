"""The header of a libvirt save image (formats/qemu.md 5.1)."""

from typing import Annotated, Final

from domctx.schema import U32, Bytes, layout
from domctx.values import frozen

HEADER_SIZE: Final = 92
LAST_VERSION: Final = 2
RAW_VERSION: Final = 1
"""Images of this version are never packed; they had no field for it."""
MAX_DATA: Final = 32 << 20
"""Octets of XML, cookie and padding that are believed."""

METHODS: Final = ("raw", "gzip", "bzip2", "xz", "lzop", "zstd", "sparse")
"""How the stream is packed, by the header's number; sparse is mapped-ram in the image itself."""


@layout(source="formats/qemu.md 5.1")
@frozen
class Header:
    """The first 92 octets, in the byte order of the host that wrote them."""

    magic: Annotated[bytes, Bytes(16, "LibvirtQemudSave, or LibvirtQemudPart while it is written")]
    version: Annotated[int, U32("1 or 2")]
    data_len: Annotated[int, U32("XML, cookie and padding behind the header", unit="octets")]
    was_running: Annotated[int, U32("not zero: the domain ran when it was saved")]
    compressed: Annotated[int, U32("how the stream is packed; means something in version 2 only")]
    cookie_offset: Annotated[int, U32("where the cookie begins, behind the header; 0 for none", unit="octets")]
    unused: Annotated[bytes, Bytes(56, "zeros")]


@layout(source="formats/qemu.md 5.1, 5.2: written by a host of the other byte order", byte_order="big")
@frozen
class SwappedHeader:
    """As ``Header``."""

    magic: Annotated[bytes, Bytes(16, "as in Header")]
    version: Annotated[int, U32("as in Header")]
    data_len: Annotated[int, U32("as in Header", unit="octets")]
    was_running: Annotated[int, U32("as in Header")]
    compressed: Annotated[int, U32("as in Header")]
    cookie_offset: Annotated[int, U32("as in Header", unit="octets")]
    unused: Annotated[bytes, Bytes(56, "zeros")]
