"""Bodies of MEMORY records are read: the head, the page map, the frames. Everything is bounded before it is used.

The errors raised here do not know their record; who reads one adds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domctx import schema
from domctx.api import Buffer, RamBlock
from domctx.errors import RecordError, UnsupportedError
from domctx.states import PageBatch, PageKind
from domctx.values import frozen
from domctx_memory import pages
from domctx_memory.codec import digest_of, unpack
from domctx_memory.layout import (
    FRAME_ALIGN,
    HEAD_COVERED,
    HEAD_SIZE,
    MAX_SHIFT,
    MIN_SHIFT,
    Codec,
    Coding,
    FrameEntry,
    MemoryHead,
    coded,
    columns_size,
    frame_count,
    frame_pages,
    record_pages,
)

U64_LIMIT: Final = 1 << 64
ENTRIES: Final = schema.dtype(FrameEntry)


@frozen(eq=False)
class PageMap:
    """What a record says about its pages; their contents stay in the frames.

    ``kinds`` u8[count], ``octets`` u8[count] the octet of each FILL page, ``types`` u8[count] or None; ``ranks``
    i32[count + 1] how many DATA pages stand before each page; frame i stands at ``starts[i]`` .. ``starts[i + 1]`` of
    the body. The arrays are read only.
    """

    head: MemoryHead
    kinds: NDArray[np.uint8]
    octets: NDArray[np.uint8]
    types: NDArray[np.uint8] | None
    ranks: NDArray[np.int32]
    starts: Sequence[int]
    entries: Sequence[FrameEntry]

    def rows(self, index: int) -> slice:
        """Which of the DATA pages stand in frame ``index``."""
        step = frame_pages(self.head.page_shift)
        return slice(index * step, min((index + 1) * step, self.head.data))

    def frame(self, index: int, stored: Buffer, goal: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """The pages of frame ``index``, u8[n, page size], in ``goal`` u8[n * page size] where there is one.

        Raises RecordError as ``codec.unpack``.
        """
        rows, shift = self.rows(index), self.head.page_shift
        count = rows.stop - rows.start
        return unpack(stored, count << shift, self.entries[index], goal).reshape(count, 1 << shift)

    def batch(self, data: NDArray[np.uint8]) -> PageBatch:
        """The record as a batch, its DATA pages being ``data``."""
        fills = self.octets[self.kinds == PageKind.FILL]
        return PageBatch(self.head.block, self.head.first, self.kinds, data, fills, self.types)


def read_head(octets: Buffer, length: int) -> MemoryHead:
    """The head of a body of ``length`` octets that begins with ``octets``.

    Raises RecordError, or UnsupportedError for a codec that is not known.
    """
    if length < HEAD_SIZE:
        raise RecordError("the body is too short", expected=f"at least 0x{HEAD_SIZE:016x}", got=f"0x{length:016x}")
    head = schema.decode(MemoryHead, memoryview(octets)[:HEAD_SIZE])
    if digest_of(memoryview(octets)[:HEAD_COVERED]) != head.digest:
        raise RecordError("the digest of the head is wrong: the record is damaged", got=head.digest.hex())
    if head.codec not in list(Codec):
        raise UnsupportedError("frames are packed in a way that is not known", got=head.codec, hint="update domctx")
    if not MIN_SHIFT <= head.page_shift <= MAX_SHIFT:
        raise _wrong("page_shift", f"{MIN_SHIFT} to {MAX_SHIFT}", head.page_shift)
    if head.kinds not in (Coding.ALL, Coding.EACH):
        raise _wrong("kinds", "1 or 2", head.kinds)
    if head.types not in list(Coding):
        raise _wrong("types", "0, 1 or 2", head.types)
    limit = record_pages(head.page_shift)
    if not 1 <= head.count <= limit or head.first > U64_LIMIT - head.count:
        expected = f"1 to 0x{limit:x} pages below 1 << 64"
        raise _wrong("first, count", expected, f"0x{head.first:016x}, 0x{head.count:08x}")
    if head.data + head.fills > head.count:
        raise _wrong("data, fills", f"together at most 0x{head.count:08x}", f"0x{head.data:08x}, 0x{head.fills:08x}")
    if head.filler and (head.filler >= FRAME_ALIGN or head.codec != Codec.NONE or not head.data):
        raise _wrong(
            "filler", "less than 0x1000, and only before frames that are not compressed", f"0x{head.filler:08x}"
        )
    return head


def told_extent(octets: Buffer) -> tuple[int, int, int]:
    """Block, first page and page behind the last one, as a body's head tells them: nothing is checked.

    What is too short to have a head covers nothing.
    """
    if len(octets) < HEAD_SIZE:
        return 0, 0, 0
    head = schema.decode(MemoryHead, memoryview(octets)[:HEAD_SIZE])
    return head.block, head.first, head.first + head.count


def map_size(head: MemoryHead) -> int:
    """Octets of the body up to the first frame."""
    return HEAD_SIZE + columns_size(head) + head.filler


def read_map(octets: Buffer, length: int) -> PageMap:
    """The page map of a body of ``length`` octets that begins with ``octets`` (``map_size`` of them, or more).

    Raises RecordError or UnsupportedError.
    """
    head = read_head(octets, length)
    end = map_size(head)
    if length < end:
        raise RecordError("the body is too short", expected=f"at least 0x{end:016x}", got=f"0x{length:016x}")
    view = memoryview(octets)[HEAD_SIZE:end]
    if digest_of(view[: len(view) - head.filler]) != head.map_digest:
        raise RecordError("the digest of the page map is wrong: the record is damaged", got=head.map_digest.hex())
    table = np.frombuffer(view, ENTRIES, frame_count(head.data, head.page_shift))
    columns = np.frombuffer(view, np.uint8, offset=table.nbytes)
    ends = np.cumsum([coded(head.kinds, head.count), coded(head.types, head.count), head.fills])
    kinds, types, fills, filler = np.split(columns, ends)
    if filler.any():
        raise RecordError("the filler is not zero")
    kinds = _column("kinds", head.kinds, kinds, head.count)
    _check_kinds(head, kinds)
    if not fills.all():
        raise RecordError("a page of zeros is given as FILL", expected="ZERO")
    return PageMap(
        head,
        kinds,
        pages.fills_by_page(kinds, fills),
        _types(head, types),
        np.concatenate([[0], np.cumsum(kinds == PageKind.DATA)]).astype(np.int32),
        _starts(head, table["stored"].astype(np.int64), end, length),
        [FrameEntry(stored, check, bytes(digest)) for stored, check, digest in table.tolist()],
    )


def check_place(head: MemoryHead, blocks: Sequence[RamBlock]) -> None:
    """Raises RecordError where the machine has no such pages."""
    if head.block >= len(blocks):
        raise _wrong("block", f"below 0x{len(blocks):08x}, the RAM blocks of the machine", f"0x{head.block:08x}")
    block = blocks[head.block]
    if head.page_shift != block.page_shift:
        raise _wrong("page_shift", f"{block.page_shift}, that of RAM block {block.name!r}", head.page_shift)
    if head.first + head.count > block.pages:
        got = f"0x{head.first:016x} + 0x{head.count:08x}"
        raise RecordError(
            f"pages outside of RAM block {block.name!r}", expected=f"at most 0x{block.pages:016x}", got=got
        )


def _wrong(field: str, expected: str, got: object) -> RecordError:
    return RecordError(f"{field} cannot be", expected=expected, got=got)


def _column(name: str, coding: int, column: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    if coding == Coding.ALL:
        return np.broadcast_to(column[0], count)
    if (column == column[0]).all():
        raise RecordError(f"{name} are given for each page although all are the same", expected="one octet for all")
    return column


def _check_kinds(head: MemoryHead, kinds: NDArray[np.uint8]) -> None:
    if (kinds == PageKind.BASE).any():
        raise UnsupportedError("pages of kind BASE are reserved for incremental images", hint="update domctx")
    if int(kinds.max()) > pages.LAST_KIND:
        raise RecordError(
            "a page has a kind that is none", expected=f"at most {int(pages.LAST_KIND)}", got=int(kinds.max())
        )
    found = (pages.count_kind(kinds, PageKind.DATA), pages.count_kind(kinds, PageKind.FILL))
    if found != (head.data, head.fills):
        raise RecordError("data and fills are not what the kinds tell", expected=found, got=(head.data, head.fills))


def _types(head: MemoryHead, column: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    if head.types == Coding.NONE:
        return None
    types = _column("types", head.types, column, head.count)
    if not pages.legal_types(types):
        raise RecordError("a page has a type that is none", got=f"0x{int(types.max()):02x}")
    return types


def _starts(head: MemoryHead, stored: NDArray[np.int64], end: int, length: int) -> list[int]:
    """Where each frame begins, and where the last one ends."""
    step = frame_pages(head.page_shift)
    sizes = np.minimum(step, head.data - step * np.arange(len(stored))) << head.page_shift
    wrong = (stored < 1) | (stored > sizes) | ((stored != sizes) & (head.codec == Codec.NONE))
    if wrong.any():
        index = int(wrong.argmax())
        expected = f"{'' if head.codec == Codec.NONE else '1 to '}0x{int(sizes[index]):08x}"
        raise RecordError(
            f"frame {index} has a length that it cannot have", expected=expected, got=f"0x{int(stored[index]):08x}"
        )
    starts = [end, *(end + np.cumsum(stored)).tolist()]
    if starts[-1] != length:
        raise RecordError(
            "the frames do not end where the body does", expected=f"0x{starts[-1]:016x}", got=f"0x{length:016x}"
        )
    return starts
