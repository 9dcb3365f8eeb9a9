"""What is done with batches of pages: checking, counting, making whole pages of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from domctx.api import RamBlock
from domctx.errors import DomainError, PluginError
from domctx.states import PageBatch, PageKind, PageType
from domctx.values import frozen
from domctx_memory.layout import MAX_SHIFT, MIN_SHIFT

LAST_KIND = max(kind for kind in PageKind if kind is not PageKind.BASE)
MEMORY_LIMIT = 1 << 52
"""Octets that an x86 machine can address: what claims more would keep a walk over its pages busy for ever."""
UNTOLD = 0xFF
"""Stands for the type of a page of which none was told, where types are compared."""
TYPE_LIMIT = 2 * PageType.PINNED
"""Page types are below it; so is each without ``PINNED`` at or below ``L4TAB``."""


def legal_types(types: NDArray[np.uint8]) -> bool:
    """Whether all of ``types`` are a PageType, pinned or not."""
    return bool(((types & (PageType.PINNED - 1) <= PageType.L4TAB) & (types < TYPE_LIMIT)).all())


def count_kind(kinds: NDArray[np.uint8], kind: PageKind) -> int:
    """How many of ``kinds`` are ``kind``."""
    return int(np.count_nonzero(kinds == kind))


def kind_counts(kinds: NDArray[np.uint8]) -> dict[str, int]:
    """How many pages there are of each kind that occurs, by its name in lower case."""
    counts = np.bincount(kinds, minlength=len(PageKind)).tolist()
    return {kind.name.lower(): counts[kind] for kind in PageKind if counts[kind]}


def type_counts(types: NDArray[np.uint8]) -> dict[str, int]:
    """How many pages there are of each type that occurs, by its name: ``l1tab``, ``l2tab pinned``, ``untold``."""
    counts = np.bincount(types).tolist()
    return {_type_name(value): count for value, count in enumerate(counts) if count}


def _type_name(value: int) -> str:
    if value == UNTOLD:
        return "untold"
    name = PageType(value & (PageType.PINNED - 1)).name.lower()
    return f"{name} pinned" if value & PageType.PINNED else name


def check_blocks(blocks: Sequence[RamBlock]) -> None:
    """Raises DomainError for a block whose pages do not fit a record, and for more memory than there can be."""
    total = sum(block.size for block in blocks)
    if total > MEMORY_LIMIT:
        raise DomainError("no machine has so much memory", expected=f"at most 0x{MEMORY_LIMIT:x}", got=f"0x{total:x}")
    for block in blocks:
        if not MIN_SHIFT <= block.page_shift <= MAX_SHIFT:
            raise DomainError(
                f"RAM block {block.name!r} has pages of a size that MEMORY records do not hold",
                expected=f"1 << {MIN_SHIFT} to 1 << {MAX_SHIFT} octets",
                got=f"1 << {block.page_shift}",
            )


def check_range(blocks: Sequence[RamBlock], block: int, first: int, count: int) -> RamBlock:
    """The block that has all of the pages. Raises DomainError where there is none."""
    if not 0 <= block < len(blocks):
        raise DomainError("there is no such RAM block", expected=f"below {len(blocks)}", got=block)
    found = blocks[block]
    if first < 0 or count < 0 or first + count > found.pages:
        raise DomainError(
            f"pages outside of RAM block {found.name!r}",
            expected=f"at most 0x{found.pages:016x}",
            got=f"0x{first:016x} + 0x{count:x}",
        )
    return found


def check_batch(batch: PageBatch, blocks: Sequence[RamBlock]) -> RamBlock:
    """The block of a batch. Raises PluginError where the batch contradicts itself, DomainError outside the block."""
    block = check_range(blocks, batch.block, batch.first, batch.count)
    kinds = batch.kinds
    if kinds.dtype != np.uint8 or kinds.ndim != 1 or (len(kinds) and int(kinds.max()) > LAST_KIND):
        raise PluginError("a batch of pages has kinds that are none", expected=f"u8[count], at most {int(LAST_KIND)}")
    shape = (count_kind(kinds, PageKind.DATA), 1 << block.page_shift)
    if batch.pages.dtype != np.uint8 or batch.pages.shape != shape:
        raise PluginError("a batch has not the pages that its kinds tell", expected=shape, got=batch.pages.shape)
    fills = 0 if batch.fills is None else len(batch.fills)
    if fills != count_kind(kinds, PageKind.FILL):
        expected = count_kind(kinds, PageKind.FILL)
        raise PluginError("a batch has not the fill octets that its kinds tell", expected=expected, got=fills)
    types = batch.types
    if types is not None and (types.dtype != np.uint8 or types.shape != kinds.shape or not legal_types(types)):
        raise PluginError("a batch has page types that are none", expected="u8[count] of PageType")
    return block


def fills_by_page(kinds: NDArray[np.uint8], fills: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """The octet of each page, u8[count]: that of a FILL page, 0 for any other."""
    octets = np.zeros(len(kinds), np.uint8)
    if fills is not None and len(fills):
        octets[kinds == PageKind.FILL] = fills
    return octets


def whole(batch: PageBatch, page_size: int) -> NDArray[np.uint8]:
    """All pages of a batch, u8[count, page size]; pages without contents are zeros."""
    if len(batch.pages) == batch.count:
        return batch.pages
    pages = np.zeros((batch.count, page_size), np.uint8)
    pages[batch.kinds == PageKind.DATA] = batch.pages
    filled = batch.kinds == PageKind.FILL
    if batch.fills is not None and len(batch.fills):
        pages[filled] = batch.fills[:, np.newaxis]
    return pages


def together(pages: NDArray[np.uint8], rows: NDArray[np.intp], room: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Some rows of ``pages`` u8[n, page size], ascending, one page behind the other: as they stand, else in ``room``.

    ``pages`` are C-contiguous, and may stand in ``room`` themselves, from its start on: they are moved then.
    """
    if not len(rows):
        return room[:0]
    edges = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
    if len(edges) == 2:
        return pages[rows[0] : rows[-1] + 1]
    size = room.shape[1]
    octets, goal = pages.reshape(-1), room.reshape(-1)
    for start, stop in itertools.pairwise(edges):
        low = int(rows[start])
        goal[start * size : stop * size] = octets[low * size : (low + stop - start) * size]
    return room[: len(rows)]


@frozen(eq=False)
class Part:
    """Some of the pages that are asked for, in one piece; ``place`` says which of them.

    ``octets`` are those of FILL pages, by page; ``rows`` is how many pages are DATA, and ``fetch`` gives these, in
    order, in any number of pieces u8[n, page size].
    """

    place: slice
    kinds: NDArray[np.uint8]
    octets: NDArray[np.uint8]
    types: NDArray[np.uint8] | None
    rows: int
    fetch: Callable[[], Iterable[NDArray[np.uint8]]]


def assemble(
    batch: PageBatch, page_size: int, parts: Sequence[Part], buffer: NDArray[np.uint8] | None = None
) -> PageBatch:
    """``batch``, whose pages are all ABSENT, with ``parts`` put in, ascending.

    The DATA is gathered in ``buffer``, where there is one and it did not come in one piece. Arrays may be read only.
    """
    data = _joined(parts, page_size, buffer)
    if len(parts) == 1 and len(parts[0].kinds) == batch.count:
        kinds, octets, types = parts[0].kinds, parts[0].octets, parts[0].types
    else:
        kinds, octets, types = batch.kinds, np.zeros(batch.count, np.uint8), None
        for part in parts:
            kinds[part.place], octets[part.place] = part.kinds, part.octets
            if part.types is not None:
                types = np.zeros(batch.count, np.uint8) if types is None else types
                types[part.place] = part.types
    return PageBatch(batch.block, batch.first, kinds, data, octets[kinds == PageKind.FILL], types)


def _joined(parts: Sequence[Part], page_size: int, buffer: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """The DATA of all parts in one array: what was fetched itself, where it comes in one piece."""
    rows = sum(part.rows for part in parts)
    goal: NDArray[np.uint8] | None = None
    row = 0
    for piece in itertools.chain.from_iterable(part.fetch() for part in parts):
        if len(piece) == rows:
            return piece
        if goal is None:
            whole = np.empty((rows, page_size), np.uint8) if buffer is None else buffer.reshape(-1, page_size)
            goal = whole[:rows]
        goal[row : row + len(piece)] = piece
        row += len(piece)
    return np.empty((0, page_size), np.uint8) if goal is None else goal


def absent(block: int, first: int, count: int, page_size: int) -> PageBatch:
    """A batch of ABSENT pages."""
    return PageBatch(block, first, np.full(count, PageKind.ABSENT, np.uint8), np.empty((0, page_size), np.uint8))
