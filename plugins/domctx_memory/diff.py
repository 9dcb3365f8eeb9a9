"""Two memories compared page by page, many pages at once; consecutive pages that differ are told as one run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from domctx.api import JSON, Context, Difference, RamBlock
from domctx.errors import DomainError
from domctx.states import Memory, PageBatch, PageKind
from domctx.values import frozen
from domctx_memory.buffers import Buffers
from domctx_memory.gather import windows
from domctx_memory.layout import NAME, record_pages
from domctx_memory.pages import UNTOLD, fills_by_page, kind_counts, type_counts
from domctx_memory.sources import batch_pages

SHOWN: Final = 16
"""Octets of a difference that are shown."""


def diff(a: Memory, b: Memory, context: Context) -> Iterator[Difference]:
    """Every run of pages in which ``a`` and ``b`` differ, and the blocks that only one has or that differ in size.

    Pages of one repeated octet equal ZERO or FILL pages of it. Raises DomainError where a side does not give its
    pages in ascending order, each once.
    """
    yield from _blocks(a.blocks, b.blocks)
    runs: list[_Run] = []
    for found in _runs(a, b):
        if runs and runs[0].goes_on_with(found):
            runs[0] = runs[0].joined(found)
            continue
        yield from (run.difference() for run in runs)
        runs = [found]
    yield from (run.difference() for run in runs)


def _blocks(a: Sequence[RamBlock], b: Sequence[RamBlock]) -> Iterator[Difference]:
    left, right = ({block.name: block for block in side} for side in (a, b))
    for name in dict.fromkeys([*left, *right]):
        one, other = (_geometry(side[name]) if name in side else None for side in (left, right))
        if one != other:
            yield Difference(NAME, f"block {name}", one, other)


def _geometry(block: RamBlock) -> JSON:
    return {"size": block.size, "page_size": 1 << block.page_shift}


def _common(a: Sequence[RamBlock], b: Sequence[RamBlock]) -> Iterator[tuple[int, int, int]]:
    """(index in a, index in b, pages) of each block that both sides have with pages of one size."""
    places = {(block.name, block.page_shift): (index, block.pages) for index, block in enumerate(b)}
    for index, block in enumerate(a):
        if (block.name, block.page_shift) in places:
            other, pages = places[block.name, block.page_shift]
            yield index, other, min(block.pages, pages)


def _batches(memory: Memory, wanted: Sequence[tuple[int, int]]) -> Iterator[PageBatch]:
    """The first pages of some blocks: (index, pages) each, in that order."""
    if list(wanted) == [(index, block.pages) for index, block in enumerate(memory.blocks)]:
        yield from memory.batches(batch_pages(memory.blocks))
        return
    for index, pages in wanted:
        step = record_pages(memory.blocks[index].page_shift)
        for first in range(0, pages, step):
            yield memory.read(index, first, min(step, pages - first))


def _runs(a: Memory, b: Memory) -> Iterator[_Run]:
    common = list(_common(a.blocks, b.blocks))
    buffers = Buffers()
    left = windows(_batches(a, [(index, pages) for index, _, pages in common]), a.blocks, buffers)
    right = windows(_batches(b, [(index, pages) for _, index, pages in common]), b.blocks, buffers)
    partners = {index: other for index, other, _ in common}
    for one, other in itertools.zip_longest(*((item.read(buffers) for item in side) for side in (left, right))):
        if one is None or other is None or not _same_pages(one.batch, other.batch, partners):
            raise DomainError(
                "the pages of two memories do not come in the same order, each once",
                hint="save both to images, and compare those",
            )
        yield from _compare(a.blocks[one.batch.block], one.batch, other.batch)
        buffers.give(one.buffer)
        buffers.give(other.buffer)


def _same_pages(a: PageBatch, b: PageBatch, partners: dict[int, int]) -> bool:
    return (partners[a.block], a.first, a.count) == (b.block, b.first, b.count)


@frozen(eq=False)
class _Side:
    """One side of a run: how many pages of each kind, of each type where these differ, and octets of the first."""

    kinds: dict[str, int]
    types: dict[str, int]
    octets: str | None

    def joined(self, other: _Side) -> _Side:
        return _Side(_added(self.kinds, other.kinds), _added(self.types, other.types), self.octets)

    def value(self) -> JSON:
        value: dict[str, JSON] = {"kinds": self.kinds}
        if self.types:
            value["types"] = self.types
        if self.octets is not None:
            value["octets"] = self.octets
        return value


def _added(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    return {name: a.get(name, 0) + b.get(name, 0) for name in dict.fromkeys([*a, *b])}


@frozen(eq=False)
class _Run:
    """Consecutive pages of one block that differ; ``octets`` is the first range that differs in the first of them."""

    block: RamBlock
    first: int
    last: int
    octets: tuple[int, int] | None
    a: _Side
    b: _Side

    def goes_on_with(self, other: _Run) -> bool:
        return self.block is other.block and self.last + 1 == other.first

    def joined(self, other: _Run) -> _Run:
        return attrs.evolve(self, last=other.last, a=self.a.joined(other.a), b=self.b.joined(other.b))

    def difference(self) -> Difference:
        """The run as it is told."""
        many = "" if self.first == self.last else f"-0x{self.last:x}"
        path = f"{self.block.name} page{'s' if many else ''} 0x{self.first:x}{many}"
        if self.octets is not None:
            where = "octets" if not many else "first octets"
            path += f", {where} 0x{self.octets[0]:03x}-0x{self.octets[1] - 1:03x}"
        return Difference(NAME, path, self.a.value(), self.b.value())


def _compare(block: RamBlock, a: PageBatch, b: PageBatch) -> Iterator[_Run]:
    """The runs of pages that differ, of two batches of the same pages."""
    none = np.full(a.count, UNTOLD, np.uint8)
    types = [none if side.types is None else side.types for side in (a, b)]
    retyped = types[0] != types[1]
    differs = (a.kinds != b.kinds) | _contents_differ(a, b) | retyped
    edges = np.flatnonzero(np.diff(differs, prepend=False, append=False)).tolist()
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        octets, shown = _octets(block, a, b, start)
        sides = [
            _Side(
                kind_counts(side.kinds[start:stop]),
                type_counts(column[start:stop]) if retyped[start:stop].any() else {},
                text,
            )
            for side, column, text in zip((a, b), types, shown, strict=True)
        ]
        yield _Run(block, a.first + start, a.first + stop - 1, octets, *sides)


def _contents_differ(a: PageBatch, b: PageBatch) -> NDArray[np.bool_]:
    """Which pages are of one kind on both sides and have different contents."""
    differs: NDArray[np.bool_] = (a.kinds == b.kinds) & (
        fills_by_page(a.kinds, a.fills) != fills_by_page(b.kinds, b.fills)
    )
    both: NDArray[np.bool_] = (a.kinds == PageKind.DATA) & (b.kinds == PageKind.DATA)
    one, other = _data(a, both), _data(b, both)
    if not np.array_equal(one, other):
        differs[both] = (one != other).any(axis=1)
    return differs


def _data(batch: PageBatch, wanted: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """The contents of the wanted pages, which are all DATA, as words u64[n, page size / 8]."""
    data = batch.kinds == PageKind.DATA
    pages = batch.pages if np.array_equal(data, wanted) else batch.pages[wanted[data]]
    return pages.view(np.uint64)


def _octets(
    block: RamBlock, a: PageBatch, b: PageBatch, page: int
) -> tuple[tuple[int, int] | None, tuple[str | None, str | None]]:
    """The first range of octets in which a page differs, and what stands there on each side; None: no contents."""
    left, right = (_page(side, page, 1 << block.page_shift) for side in (a, b))
    if left is None or right is None:
        return None, (None, None)
    places = left != right
    if not places.any():
        return None, (None, None)
    first = int(places.argmax())
    same = ~places[first:]
    last = first + (int(same.argmax()) if same.any() else len(same))
    shown = slice(first, min(last, first + SHOWN))
    return (first, last), (left[shown].tobytes().hex(" "), right[shown].tobytes().hex(" "))


def _page(batch: PageBatch, page: int, size: int) -> NDArray[np.uint8] | None:
    """The contents of one page; None where its kind has none."""
    kind = batch.kinds[page]
    if kind == PageKind.DATA:
        row: NDArray[np.uint8] = batch.pages[int((batch.kinds[:page] == PageKind.DATA).sum())]
        return row
    if kind == PageKind.ZERO or kind == PageKind.FILL:
        return np.full(size, fills_by_page(batch.kinds, batch.fills)[page], np.uint8)
    return None
