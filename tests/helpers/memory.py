"""Memories to test with, what a record of one holds, and roads there and back through the core's own streams."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from domctx import options, schema
from domctx.api import Machine, RamBlock
from domctx.context import HandlerContext, Operation
from domctx.indexed import FileRecord
from domctx.records import Ledger, StreamRun, TypeWriter
from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.states import Memory, PageBatch, PageKind, PageType
from domctx.stream import StreamReader, StreamWriter
from domctx.wire import Header, record_size
from domctx_memory.codec import digest_of
from domctx_memory.layout import HEAD_COVERED, HEAD_SIZE, MemoryHead, columns_size
from domctx_memory.plugin import domctx_record_types

MEMORY_TYPE = domctx_record_types()[0]
KINDS = [kind for kind in PageKind if kind is not PageKind.BASE]
TYPES = [kind | pinned for kind in list(PageType)[:5] for pinned in (0, PageType.PINNED)]


@attrs.define(eq=False)
class Pages:
    """Consecutive pages in full: kinds and types by page, ``contents`` u8[count, page size] (of DATA and FILL)."""

    kinds: NDArray[np.uint8]
    contents: NDArray[np.uint8]
    types: NDArray[np.uint8] | None = None

    def batch(self, block: int, first: int, start: int, stop: int) -> PageBatch:
        """Some of the pages as a batch that begins at page ``first`` of ``block``; its arrays are its own."""
        kinds = self.kinds[start:stop].copy()
        contents = self.contents[start:stop]
        types = None if self.types is None else self.types[start:stop].copy()
        fills = contents[kinds == PageKind.FILL, 0].copy()
        return PageBatch(block, first, kinds, contents[kinds == PageKind.DATA].copy(), fills, types)


def random_pages(seed: int, count: int, page_size: int, *, typed: bool = False) -> Pages:
    """Pages of every kind in runs; DATA among them that is zero, uniform, or uniform but for one octet."""
    random = np.random.default_rng(seed)
    kinds = np.repeat(random.choice(KINDS, count), random.integers(1, 40, count))[:count].astype(np.uint8)
    contents = np.zeros((count, page_size), np.uint8)
    style = random.integers(0, 5, count)
    noise = random.integers(0, 256, (1, page_size)).astype(np.uint8)
    for place in np.flatnonzero(kinds == PageKind.DATA):
        if style[place] < 2:
            contents[place] = np.roll(noise, int(place) * 7)
        elif style[place] < 4:
            contents[place] = place % 3
        if style[place] == 3:
            contents[place, random.integers(page_size)] += 1
    filled = kinds == PageKind.FILL
    contents[filled] = random.integers(0, 4, (int(filled.sum()), 1))
    types = random.choice(TYPES, count).astype(np.uint8) if typed else None
    return Pages(kinds, contents, types)


class SourceMemory:
    """A memory that gives its pages in batches cut anyhow; between two batches the last one is wiped."""

    def __init__(self, blocks: Sequence[RamBlock], pages: Sequence[Pages], cuts: Sequence[int] = ()) -> None:
        self.blocks = tuple(blocks)
        self.pages = list(pages)
        self.cuts = sorted(cuts)

    def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
        """Every page, cut at ``cuts`` and wherever a batch would be too large."""
        for block, found in enumerate(self.pages):
            edges = sorted({0, len(found.kinds), *(cut for cut in self.cuts if cut < len(found.kinds))})
            edges = sorted({*edges, *range(0, len(found.kinds), pages)} if not self.cuts else edges)
            for start, stop in itertools.pairwise(edges):
                batch = found.batch(block, start, start, stop)
                yield batch
                for array in (batch.kinds, batch.pages, batch.fills, batch.types):
                    if array is not None:
                        array[...] = 0xA5

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """Some pages."""
        return self.pages[block].batch(block, first, first, first + count)

    def store(self, batch: PageBatch) -> None:
        """Put pages in."""
        goal = slice(batch.first, batch.first + batch.count)
        found = self.pages[batch.block]
        found.kinds[goal] = batch.kinds
        contents = found.contents[goal]
        contents[...] = 0
        contents[batch.kinds == PageKind.DATA] = batch.pages
        if batch.fills is not None:
            contents[batch.kinds == PageKind.FILL] = batch.fills[:, np.newaxis]
        if batch.types is not None:
            if found.types is None:
                found.types = np.zeros(len(found.kinds), np.uint8)
            found.types[goal] = batch.types
        elif found.types is not None:
            found.types[goal] = 0


def empty_memory(blocks: Sequence[RamBlock]) -> SourceMemory:
    """A memory of ABSENT pages."""
    absent = []
    for block in blocks:
        kinds = np.full(block.pages, PageKind.ABSENT, np.uint8)
        absent.append(Pages(kinds, np.zeros((block.pages, 1 << block.page_shift), np.uint8)))
    return SourceMemory(blocks, absent)


def block_of(pages: int, page_shift: int = 12, name: str = "pc.ram") -> RamBlock:
    """A block of so many pages."""
    return RamBlock(name, pages << page_shift, page_shift)


def sample_memory(seed: int = 1, pages: int = 1500, page_shift: int = 12, *, typed: bool = False) -> SourceMemory:
    """One block of random pages."""
    return SourceMemory([block_of(pages, page_shift)], [random_pages(seed, pages, 1 << page_shift, typed=typed)])


@st.composite
def memories(draw: st.DrawFn) -> SourceMemory:
    """One or two blocks, pages of 1 KiB to 4 KiB, batches cut anyhow."""
    blocks, pages = [], []
    for number in range(draw(st.integers(1, 2))):
        shift = draw(st.sampled_from([12, 12, 10, 11]))
        count = draw(st.integers(1, 90) | st.integers(1000, 1100))
        blocks.append(block_of(count, shift, f"ram{number}"))
        pages.append(random_pages(draw(st.integers(0, 1 << 32)), count, 1 << shift, typed=draw(st.booleans())))
    return SourceMemory(blocks, pages, draw(st.lists(st.integers(1, 1100), max_size=4)))


def _naive(page: bytes, kind: int) -> tuple[int, bytes]:
    """The one form of a page: its kind, and what tells it from others of the kind."""
    if kind in (PageKind.DATA, PageKind.FILL) and page.count(page[:1]) == len(page):
        return (PageKind.FILL, page[:1]) if page[0] else (PageKind.ZERO, b"")
    return kind, page if kind == PageKind.DATA else b""


def picture(memory: Memory) -> list[list[tuple[int, bytes, int]]]:
    """Every page of every block in its one form, by the naive road: (kind, contents, type)."""
    found = []
    for number, block in enumerate(memory.blocks):
        batch = memory.read(number, 0, block.pages)
        contents = iter(batch.pages)
        fills = iter([] if batch.fills is None else batch.fills.tolist())
        types = [0] * batch.count if batch.types is None else batch.types.tolist()
        pages = []
        for kind, type_ in zip(batch.kinds.tolist(), types, strict=True):
            page = next(contents).tobytes() if kind == PageKind.DATA else b""
            page = bytes([next(fills)]) if kind == PageKind.FILL else page
            pages.append((*_naive(page, kind), type_))
        found.append(pages)
    return found


def machine_of(blocks: Sequence[RamBlock]) -> Machine:
    """A machine with these blocks."""
    return Machine("test", "x86_64", blocks=tuple(blocks))


@attrs.frozen
class Road:
    """The record type MEMORY, driven as the core drives it."""

    blocks: Sequence[RamBlock]
    given: tuple[str, ...] = ()
    progress: list[int] = attrs.field(factory=list)
    operation: Operation = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "operation", Operation(progress=self.progress.append))

    def context(self, *, dry_run: bool = False) -> HandlerContext:
        """The context of the handlers."""
        values = options.parse(self.given, MEMORY_TYPE.options)
        machine = machine_of(self.blocks)
        return HandlerContext(self.operation, machine, lambda key: None, values=values, dry_run=dry_run).of(MEMORY_TYPE)

    def save(self, state: Memory, *, dry_run: bool = False, before: bytes = b"") -> bytes:
        """The records of ``state``, behind ``before``."""
        sink = BytesSink()
        stream = StreamWriter(sink)
        if before:
            stream.begin(1, 0, len(before))
            stream.data(before)
            stream.end()
        writer = TypeWriter(stream, MEMORY_TYPE)
        MEMORY_TYPE.save(state, writer, self.context(dry_run=dry_run))
        writer.finish()
        return bytes(sink.octets)

    def bodies(self, state: Memory) -> list[bytes]:
        """The bodies of the records of ``state``."""
        return [bytes(record.rest()) for record in self.run(self.save(state))]

    def run(self, octets: bytes) -> StreamRun:
        """The run of records in ``octets``."""
        reader = StreamReader(BytesSource(octets))
        return StreamRun(reader, MEMORY_TYPE, Ledger(MEMORY_TYPE), MEMORY_TYPE.version, lambda done: None)

    def load(self, octets: bytes) -> Any:
        """A new state, after the records in ``octets`` were loaded into it."""
        state = MEMORY_TYPE.new_state(machine_of(self.blocks))
        run = self.run(octets)
        MEMORY_TYPE.load(state, run, self.context())
        run.finish()
        return state

    def load_bodies(self, *bodies: bytes) -> Any:
        """The same for records of these bodies."""
        return self.load(stream_of(bodies))

    def view(self, *bodies: bytes) -> Any:
        """Memory over an image of records of these bodies."""
        assert MEMORY_TYPE.view is not None
        return MEMORY_TYPE.view(indexed(bodies), self.context())


def stream_of(bodies: Sequence[bytes]) -> bytes:
    """Records of these bodies."""
    sink = BytesSink()
    writer = TypeWriter(StreamWriter(sink), MEMORY_TYPE)
    for instance, body in enumerate(bodies):
        writer.write(body, instance=instance)
    return bytes(sink.octets)


class OctetsFile:
    """What stands in for an image file; counts what is read."""

    name = "<octets>"

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, size: int) -> bytes:
        """Some octets."""
        self.reads.append((offset, size))
        return self.octets[offset : offset + size]


def indexed(bodies: Sequence[bytes]) -> list[Any]:
    """Records of an opened image."""
    file: Any = OctetsFile(stream_of(bodies))
    records, offset = [], 0
    for instance, body in enumerate(bodies):
        header = Header(MEMORY_TYPE.code, instance, len(body))
        records.append(FileRecord(file, header, offset, MEMORY_TYPE, MEMORY_TYPE.version))
        offset += record_size(len(body))
    return records


def head_of(body: bytes) -> MemoryHead:
    """The head of a body."""
    return schema.decode(MemoryHead, body[:HEAD_SIZE])


def sealed(head: MemoryHead, rest: bytes) -> bytes:
    """A body of ``head`` and ``rest``, with digests of both that are right, whatever they say."""
    size = columns_size(head) if head.page_shift < 64 and head.kinds < 3 and head.types < 3 else 0
    mapped = attrs.evolve(head, map_digest=digest_of(rest[:size]))
    covered = schema.encode(mapped)[:HEAD_COVERED]
    return covered + digest_of(covered) + rest


def changed_head(body: bytes, **fields: Any) -> bytes:
    """A body with other fields in its head, and digests that fit."""
    return sealed(attrs.evolve(head_of(body), **fields), body[HEAD_SIZE:])


def changed_rest(body: bytes, offset: int, octets: bytes) -> bytes:
    """A body with other octets ``offset`` octets behind its head, and digests that fit."""
    rest = bytearray(body[HEAD_SIZE:])
    rest[offset : offset + len(octets)] = octets
    return sealed(head_of(body), bytes(rest))
