"""What a MEMORY record holds, octet by octet: declarations, limits and the arithmetic between them.

A record holds up to 4 MiB of one block of guest memory. Its body, little-endian, one part behind the other:

    head                MemoryHead, 64 octets
    frame table         a FrameEntry for each frame
    kinds               u8 PageKind: one for each page, or one for all where all are the same
    types               u8 PageType: none, one for each page, or one for all
    fills               u8: the octet of each FILL page, in order
    filler              0 to 4095 zero octets, so that frames that are not compressed are page-aligned in the image
    frames              the DATA pages in order, 128 KiB of them in a frame (the last may be shorter)

Offsets are not stored, so frames cannot overlap: each begins where the one before it ends, and the last ends the body.
A frame whose stored length equals its unpacked length is not compressed; a longer one is refused. One state has one
body: a page of one repeated octet is ZERO or FILL, never DATA; ``EACH`` is used only where ``ALL`` cannot be.

Digests are the first sixteen octets of a BLAKE3: of the head, of the page map, and of each frame's unpacked octets, so
that whatever is read at random is known to be whole. zstd has more than one way to say the same, hence the CRC besides.

This is version 2. In version 1, which no release wrote, a frame held 256 KiB.
"""

import enum
from typing import Annotated, Final

from domctx.schema import U8, U32, U64, Blob, Bytes, Nested, layout, size_of
from domctx.values import frozen

NAME: Final = "MEMORY"

RECORD_OCTETS: Final = 4 << 20
"""Octets of guest memory that one record covers at most, and the multiples at which a writer cuts."""
FRAME_OCTETS: Final = 128 << 10
"""Octets of DATA pages in one frame: nearly as small after zstd as larger ones, and read sooner."""
FRAME_ALIGN: Final = 4096
"""Where frames that are not compressed begin in the image, in octets."""
DIGEST_SIZE: Final = 16
NO_DIGEST: Final = bytes(DIGEST_SIZE)
"""Stands in for a digest that is not known yet."""
MIN_SHIFT: Final = 10
MAX_SHIFT: Final = 22
"""Pages of 1 KiB to 4 MiB: at least one page fits a record."""

SOURCE: Final = "domctx's own; DESIGN, section 6"


class Codec(enum.IntEnum):
    """How frames are packed."""

    NONE = 0
    ZSTD = 1


class Coding(enum.IntEnum):
    """How often an octet of a page map stands in the body."""

    NONE = 0
    """The column is not there."""
    ALL = 1
    """One octet for all pages."""
    EACH = 2
    """One octet for each page."""


@layout(source=SOURCE)
@frozen
class MemoryHead:
    """The first 64 octets of a body."""

    block: Annotated[int, U32("RAM block, by its place in MANIFEST's list")]
    page_shift: Annotated[int, U8("pages are of 1 << page_shift octets")]
    codec: Annotated[int, U8("how frames are packed", names=Codec)]
    kinds: Annotated[int, U8("how page kinds are given: for all or for each", names=Coding)]
    types: Annotated[int, U8("how page types are given", names=Coding)]
    first: Annotated[int, U64("first page, counted from the start of the block", unit="pages")]
    count: Annotated[int, U32("pages that the record covers", unit="pages")]
    data: Annotated[int, U32("pages of kind DATA", unit="pages")]
    fills: Annotated[int, U32("pages of kind FILL", unit="pages")]
    filler: Annotated[int, U32("zero octets before the frames", unit="octets")]
    map_digest: Annotated[bytes, Bytes(DIGEST_SIZE, "digest of the page map: frame table to fills")] = NO_DIGEST
    digest: Annotated[bytes, Bytes(DIGEST_SIZE, "digest of the head up to here")] = NO_DIGEST


@layout(source=SOURCE)
@frozen
class FrameEntry:
    """One frame, as the frame table tells it."""

    stored: Annotated[int, U32("length in the body", unit="octets")]
    check: Annotated[int, U32("CRC-32 of the octets in the body; 0 where the frame is not compressed")]
    digest: Annotated[bytes, Bytes(DIGEST_SIZE, "digest of the unpacked octets")]


@layout(source=SOURCE)
@frozen
class MemoryBody:
    """A whole body; handlers read its head and its parts one by one instead."""

    head: Annotated[MemoryHead, Nested(MemoryHead, "what the record covers")]
    parts: Annotated[bytes, Blob("frame table, kinds, types, fills, filler and frames")]


HEAD_SIZE: Final = size_of(MemoryHead)
HEAD_COVERED: Final = HEAD_SIZE - DIGEST_SIZE
"""Octets of the head that its own digest covers."""
ENTRY_SIZE: Final = size_of(FrameEntry)


def record_pages(page_shift: int) -> int:
    """Pages that one record covers at most."""
    return RECORD_OCTETS >> page_shift


def frame_pages(page_shift: int) -> int:
    """DATA pages in one frame; at least one."""
    return max(1, FRAME_OCTETS >> page_shift)


def frame_count(data: int, page_shift: int) -> int:
    """Frames that ``data`` pages take."""
    return -(-data // frame_pages(page_shift))


def coded(coding: int, count: int) -> int:
    """Octets of a column of the page map."""
    return (0, 1, count)[coding]


def columns_size(head: MemoryHead) -> int:
    """Octets between the head and the filler."""
    table = ENTRY_SIZE * frame_count(head.data, head.page_shift)
    return table + coded(head.kinds, head.count) + coded(head.types, head.count) + head.fills


def body_bound(count: int, page_shift: int) -> int:
    """The largest body of a record of ``count`` pages, in octets."""
    table = ENTRY_SIZE * frame_count(count, page_shift)
    return HEAD_SIZE + table + 2 * count + FRAME_ALIGN - 1 + (count << page_shift)


MAX_BODY: Final = max(body_bound(record_pages(shift), shift) for shift in range(MIN_SHIFT, MAX_SHIFT + 1))
"""Octets of the largest body that there can be."""
