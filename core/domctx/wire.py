"""The record header, its alignment, START and END: pure functions over bytes.

Bit for bit the domain context v10 image (formats/xen.md 2.1, 2.2): little-endian ``{u32 type, u32 instance,
u64 length}``, the body, zero padding to 8; ``length`` counts the body only.
"""

import struct
from typing import Final, NamedTuple

from domctx.errors import RecordError, UnsupportedError

ALIGN: Final = 8
"""Every record starts at a multiple of 8 octets from the start of the image."""

HEADER: Final = struct.Struct("<IIQ")
"""u32 type, u32 instance, u64 length of the body in octets."""

START_BODY: Final = struct.Struct("<II")
"""u32 major, u32 minor of the Xen release whose record definitions the image follows."""

TYPE_END: Final = 0
TYPE_START: Final = 1
OPTIONAL: Final = 0x8000_0000
"""Bit 31 of a type: a reader that does not know the type may skip it."""

TYPE_MANIFEST: Final = 0x0001_0000
TYPE_DIRECTORY: Final = 0x0001_FFFF
"""Written with bit 31 set: 0x8001FFFF."""

CORE_CODES: Final = {TYPE_END: "END", TYPE_START: "START", TYPE_MANIFEST: "MANIFEST", TYPE_DIRECTORY: "DIRECTORY"}
"""The types that the core itself reads and writes; no plugin may claim them."""

XEN_VERSION: Final = (4, 15)
"""The Xen release whose record definitions this reader knows: 4.15, for which v10 was made."""

END_RECORD: Final = bytes(HEADER.size)
"""END is sixteen zero octets: type 0, instance 0, length 0."""

_ZEROS: Final = bytes(ALIGN)


class Header(NamedTuple):
    """One record header as it stands in the stream; ``type`` still carries bit 31."""

    type: int
    instance: int
    length: int

    @property
    def code(self) -> int:
        """The type without bit 31: X and X with bit 31 are one type."""
        return self.type & ~OPTIONAL

    @property
    def optional(self) -> bool:
        """Whether a reader that does not know the type may skip the record."""
        return bool(self.type & OPTIONAL)


def padding(length: int) -> bytes:
    """The 0 to 7 zero octets that follow a body of ``length`` octets."""
    return _ZEROS[: -length % ALIGN]


def record_size(length: int) -> int:
    """Octets that a record with a body of ``length`` octets takes: header, body and padding."""
    return HEADER.size + length + (-length % ALIGN)


def pack_header(type: int, instance: int, length: int) -> bytes:
    """Encode a record header."""
    return HEADER.pack(type, instance, length)


def unpack_header(octets: bytes | bytearray | memoryview) -> Header:
    """Decode a record header from exactly sixteen octets."""
    return Header._make(HEADER.unpack(octets))


def record_name(name: str | int, instance: int | None = None) -> str:
    """How messages name a record: ``CPU[0]``, or ``type 0x00010200[0]`` where the type has no name."""
    text = f"type 0x{name:08x}" if isinstance(name, int) else name
    return text if instance is None else f"{text}[{instance}]"


def unpack_start(body: bytes | memoryview) -> tuple[int, int]:
    """Decode START's body to (major, minor). Raises RecordError unless it is exactly eight octets."""
    if len(body) != START_BODY.size:
        raise RecordError("START has the wrong length", record="START[0]", expected=START_BODY.size, got=len(body))
    major, minor = START_BODY.unpack(body)
    return major, minor


def check_version(found: tuple[int, int], *, allow_newer: bool = False) -> None:
    """Refuse an image whose record definitions are newer than ours, compared lexicographically.

    The posted series compared with ``&&``, which let 5.0 into 4.14 (formats/xen.md 2.5). Older is welcome.
    """
    if found > XEN_VERSION and not allow_newer:
        raise UnsupportedError(
            "the image follows newer record definitions",
            record="START[0]",
            expected=f"at most {XEN_VERSION[0]}.{XEN_VERSION[1]}",
            got=f"{found[0]}.{found[1]}",
            hint="update domctx, or pass --allow-newer to try all the same",
        )


class CodeRange(NamedTuple):
    """A range of type codes and who gives them out."""

    first: int
    last: int
    owner: str


CODE_RANGES: Final = (
    CodeRange(0x0000_0000, 0x0000_FFFF, "xen"),
    CodeRange(0x0001_0000, 0x0001_FFFF, "bundled"),
    CodeRange(0x0002_0000, 0x3FFF_FFFF, "vendor"),
    CodeRange(0x4000_0000, 0x7FFE_FFFF, "self-assigned"),
    CodeRange(0x7FFF_0000, 0x7FFF_FFFF, "private"),
)


def code_range(code: int) -> CodeRange:
    """The range that a type code (without bit 31) falls in."""
    return next(range_ for range_ in CODE_RANGES if range_.first <= code <= range_.last)
