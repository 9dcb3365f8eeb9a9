"""What stands before the first record of each layer: the headers of xl, libxl and libxc."""

from __future__ import annotations

from typing import Final

from domctx.errors import StreamError, UnsupportedError
from domctx.files import StreamFile
from domctx.schema import decode, size_of
from domctx.values import frozen
from domctx_xen.layout import (
    BIG_ENDIAN,
    BYTE_ORDER,
    HVM,
    IMAGE_HEADER,
    LEGACY,
    LIBXC_HEADERS,
    LIBXC_ID,
    LIBXC_MARKER,
    LIBXL_MAGIC,
    LIBXL_VERSION,
    PAGE_SHIFT,
    PV,
    VERSIONS,
    XL_JSON,
    XL_MAGIC,
    XL_STREAM_V2,
    DomainHeader,
    ImageHeader,
    LibxlHeader,
    XlHeader,
)

MAX_OPTIONAL: Final = 16 << 20
"""Octets of xl's optional data, which is a configuration of some thousand."""
OTHER_END: Final = "read it on a machine of that byte order"


@frozen
class Xl:
    """The header of xl: ``octets`` with the optional data, ``config`` within it, ``json`` whether that is JSON."""

    octets: bytes
    config: bytes
    json: bool


@frozen
class Libxl:
    """The header of a libxl stream, which stands at ``offset``."""

    offset: int
    octets: bytes
    options: int

    @property
    def legacy(self) -> bool:
        """Whether convert-legacy-stream made the stream."""
        return bool(self.options & LEGACY)


@frozen
class Libxc:
    """The headers of a libxc stream, which stand at ``offset``."""

    offset: int
    octets: bytes
    image: ImageHeader
    domain: DomainHeader

    @property
    def version(self) -> int:
        """2, 3 or 4."""
        return self.image.version

    @property
    def pv(self) -> bool:
        """Whether the guest is paravirtualised; else HVM or PVH."""
        return self.domain.type == PV

    @property
    def end(self) -> int:
        """Where the first record stands."""
        return self.offset + len(self.octets)


def read_xl(file: StreamFile) -> Xl | None:
    """The header of xl at the beginning of a file; None where it begins otherwise.

    Raises StreamError for one that is cut or contradicts itself, UnsupportedError for one of another byte order, for a
    legacy stream and for flags that are not known.
    """
    size = size_of(XlHeader)
    if file.read(0, len(XL_MAGIC)) != XL_MAGIC:
        return None
    header = decode(XlHeader, file.take(0, size, "the header of xl"))
    if header.byteorder != BYTE_ORDER:
        raise _byte_order(header.byteorder)
    _check_flags(header.mandatory_flags)
    length = header.optional_data_len
    if length > MAX_OPTIONAL:
        raise StreamError(
            "xl's optional data is too long", offset=44, expected=f"at most 0x{MAX_OPTIONAL:08x}", got=f"0x{length:08x}"
        )
    optional = file.take(size, length, "xl's optional data")
    config = _config(optional, size)
    return Xl(file.take(0, size + length, "xl's optional data"), config, bool(header.mandatory_flags & XL_JSON))


def _byte_order(found: int) -> StreamError | UnsupportedError:
    if found == int.from_bytes(BYTE_ORDER.to_bytes(4, "little"), "big"):
        return UnsupportedError(
            "the file of xl was written by a big-endian machine",
            offset=32,
            expected=f"byte order 0x{BYTE_ORDER:08x}",
            got=f"0x{found:08x}",
            hint=OTHER_END,
        )
    return StreamError("xl's byte order is none", offset=32, expected=f"0x{BYTE_ORDER:08x}", got=f"0x{found:08x}")


def _check_flags(flags: int) -> None:
    if flags & ~(XL_JSON | XL_STREAM_V2):
        raise UnsupportedError(
            "the file of xl has mandatory flags that are not known",
            offset=36,
            expected="0x00000003 at most",
            got=f"0x{flags:08x}",
        )
    if not flags & XL_STREAM_V2:
        raise UnsupportedError(
            "the file of xl holds a legacy stream, of Xen before 4.6",
            offset=36,
            expected="bit 1 of the mandatory flags set",
            got=f"0x{flags:08x}",
            hint="convert it with convert-legacy-stream of Xen's tools first",
        )


def _config(optional: bytes, at: int) -> bytes:
    """The configuration: what stands behind it is not looked at."""
    if not optional:
        return b""
    length = int.from_bytes(optional[:4], "little")
    if len(optional) < 4 or length > len(optional) - 4:
        raise StreamError(
            "xl's configuration reaches past the optional data",
            offset=at,
            expected=f"at most 0x{max(len(optional) - 4, 0):08x} octets",
            got=f"0x{length:08x}",
        )
    return optional[4 : 4 + length]


def read_libxl(file: StreamFile, offset: int) -> Libxl | None:
    """The header of a libxl stream at ``offset``; None where another one stands there.

    Raises StreamError for one that is cut, UnsupportedError for another version or byte order.
    """
    if file.read(offset, len(LIBXL_MAGIC)) != LIBXL_MAGIC:
        return None
    octets = file.take(offset, size_of(LibxlHeader), "the header of libxl")
    header = decode(LibxlHeader, octets)
    if header.version != LIBXL_VERSION:
        raise UnsupportedError(
            "a libxl stream of another version", offset=offset + 8, expected=LIBXL_VERSION, got=header.version
        )
    if header.options & BIG_ENDIAN:
        raise _big_endian("the libxl stream", offset + 12, header.options)
    return Libxl(offset, octets, header.options)


def read_libxc(file: StreamFile, offset: int) -> Libxc:
    """The headers of a libxc stream at ``offset``.

    Raises StreamError for other octets or a stream that is cut, UnsupportedError for what no reader knows.
    """
    octets = file.take(offset, LIBXC_HEADERS, "the headers of libxc")
    image = decode(ImageHeader, octets[:IMAGE_HEADER])
    if (image.marker, image.id) != (LIBXC_MARKER, LIBXC_ID):
        raise StreamError(
            "no libxc stream stands here",
            offset=offset,
            expected=(LIBXC_MARKER + LIBXC_ID).hex(" "),
            got=(image.marker + image.id).hex(" "),
        )
    if image.version not in VERSIONS:
        message, known = "a libxc stream of another version", ", ".join(map(str, VERSIONS))
        raise UnsupportedError(message, offset=offset + 12, expected=known, got=image.version)
    if image.options & BIG_ENDIAN:
        raise _big_endian("the libxc stream", offset + 16, image.options)
    domain = decode(DomainHeader, octets[IMAGE_HEADER:])
    _check_domain(domain, offset + IMAGE_HEADER)
    return Libxc(offset, octets, image, domain)


def _check_domain(domain: DomainHeader, offset: int) -> None:
    if domain.type not in (PV, HVM):
        raise UnsupportedError(
            "a guest of a type that is not known", offset=offset, expected="1 (x86 PV), 2 (x86 HVM)", got=domain.type
        )
    if domain.page_shift != PAGE_SHIFT:
        raise UnsupportedError(
            "pages of another size", offset=offset + 4, expected=f"1 << {PAGE_SHIFT}", got=f"1 << {domain.page_shift}"
        )


def _big_endian(what: str, offset: int, options: int) -> UnsupportedError:
    message = f"{what} was written by a big-endian machine"
    return UnsupportedError(
        message, offset=offset, expected="bit 0 of the options clear", got=f"0x{options:08x}", hint=OTHER_END
    )


@frozen
class Heads:
    """The headers of a file; ``libxc`` stands behind LIBXC_CONTEXT where there is a libxl layer."""

    xl: Xl | None
    libxl: Libxl | None


def read_heads(file: StreamFile) -> Heads:
    """The headers of xl and libxl. Raises as ``read_xl`` and ``read_libxl``, StreamError where xl has no libxl."""
    xl = read_xl(file)
    offset = len(xl.octets) if xl is not None else 0
    libxl = read_libxl(file, offset)
    if xl is not None and libxl is None:
        got = file.read(offset, len(LIBXL_MAGIC)).hex(" ") or "the end of the file"
        raise StreamError(
            "no libxl stream stands behind xl's header", offset=offset, expected=LIBXL_MAGIC.hex(" "), got=got
        )
    return Heads(xl, libxl)
