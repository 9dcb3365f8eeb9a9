"""What stands before the stream in a libvirt save image: a header, the domain's XML and a cookie."""

from __future__ import annotations

from domctx.errors import StreamError, UnsupportedError
from domctx.schema import decode
from domctx.values import frozen
from domctx_libvirt.layout import (
    HEADER_SIZE,
    LAST_VERSION,
    MAX_DATA,
    METHODS,
    RAW_VERSION,
    Header,
    SwappedHeader,
)
from domctx_libvirt.names import PARTIAL, SAVED
from domctx_qemu_stream.files import StreamFile

AnyHeader = Header | SwappedHeader


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
    header = decode_header(octets)
    if header.magic not in (SAVED, PARTIAL):
        raise StreamError("is no libvirt image", offset=0, expected=SAVED.hex(" "), got=header.magic.hex(" "))
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
        partial=header.magic == PARTIAL,
        running=header.was_running != 0,
        method=_method(header),
        xml=data[:split].partition(b"\0")[0],
        cookie=data[split:].partition(b"\0")[0],
        data=data,
    )


def decode_header(octets: bytes) -> AnyHeader:
    """The header in the byte order of the host that wrote it, by its version; that may be one that is not known."""
    header: Header = decode(Header, octets)
    return header if header.version <= LAST_VERSION else decode(SwappedHeader, octets)


def packing(header: AnyHeader) -> int:
    """The number of the way in which the stream is packed: of ``METHODS``, or of none that is known."""
    return header.compressed if header.version > RAW_VERSION else 0


def _method(header: AnyHeader) -> str:
    """How the stream is packed. Raises UnsupportedError."""
    number = packing(header)
    if number >= len(METHODS):
        known = ", ".join(METHODS)
        raise UnsupportedError(
            "a libvirt image that is packed in an unknown way", offset=28, expected=known, got=number
        )
    return METHODS[number]
