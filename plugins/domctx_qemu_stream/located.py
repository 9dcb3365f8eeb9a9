"""Where each block's pages are: in the stream, in a mapped-ram file, in files of shared memory beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from domctx.errors import StreamError, UnsupportedError
from domctx.states import PageKind
from domctx.values import frozen
from domctx_memory.silence import believed
from domctx_qemu_stream.beside import Beside, is_ignored as is_ignored
from domctx_qemu_stream.blocks import MappedPages
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.layout import PAGE_SIZE
from domctx_qemu_stream.memory import Rows
from domctx_qemu_stream.ram import RamSection
from domctx_qemu_stream.runs import Place, Settled

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_UNTOLD: Final = 1 << 28
"""Pages of all blocks that a stream may be silent about, and they are zero or absent: 1 TiB."""
SPARSE: Final = 1024
"""Pages of zeros that are believed for each page that is told of: memory that is not plugged in is not."""
BITMAP: Final = 1 << 20
"""Octets of a bitmap that are looked at at once."""


@frozen(eq=False)
class Located:
    """Of each block the runs, and what a page is that none of them covers; ``places`` where runs can be read."""

    runs: Sequence[Settled]
    missing: Sequence[PageKind]
    places: Mapping[int, Rows]
    absent: Sequence[str]
    """The blocks that are in no file that was given."""
    ways: Sequence[str] = ()
    """The ways in which pages came that a plain stream has not."""


def locate(ram: RamSection, file: StreamFile, beside: Beside, ignored: bool) -> Located:
    """Where the pages are. Raises UnsupportedError where they travelled in channels that were not given.

    ``ignored`` tells whether the stream may leave out blocks of shared memory.
    """
    shared = beside.shared
    places: dict[int, Rows] = {Place.STREAM: file, Place.SPOOL: ram.spool, Place.FILE: file}
    if beside.channels:
        from domctx_qemu_stream.multifd import add_channels

        add_channels(ram, beside.channels, Place.FILE + 1)
        places |= {Place.FILE + 1 + index: channel for index, channel in enumerate(beside.channels)}
    runs: list[Settled] = []
    missing: list[PageKind] = []
    for block, found in zip(ram.blocks, ram.runs, strict=True):
        settled, kind = found.settle(), PageKind.ZERO
        if block.mapped is not None:
            settled = _mapped(file, block.mapped, block.pages)
        elif block.name in shared and not len(settled.firsts):
            number = max(places) + 1
            places[number] = shared[block.name]
            settled = _run(0, block.pages, 0, number)
        elif ignored and not len(settled.firsts):
            kind = PageKind.ABSENT
        runs.append(settled)
        missing.append(kind)
    _check_told(ram, runs, missing)
    if not beside.channels:
        _check_channels(ram, runs, missing)
    absent = [block.name for block, kind in zip(ram.blocks, missing, strict=True) if kind is PageKind.ABSENT]
    return Located(runs, missing, places, absent, tuple(_ways(ram, runs, beside)))


def _ways(ram: RamSection, runs: Sequence[Settled], beside: Beside) -> Iterator[str]:
    """How the pages came, where a plain stream tells them otherwise."""
    if any(found.noted > settled.told for found, settled in zip(ram.runs, runs, strict=True)):
        yield "in several rounds"
    if Place.XBZRLE in ram.packed:
        yield "as differences (XBZRLE)"
    if Place.ZLIB in ram.packed:
        yield "packed (zlib)"
    if beside.channels:
        yield "through channels (multifd)"
    if any(block.mapped is not None for block in ram.blocks):
        yield "at fixed places (mapped-ram)"


def _check_told(ram: RamSection, runs: Sequence[Settled], missing: Sequence[PageKind]) -> None:
    """QEMU tells of every page: a size that next to nothing is told of was made up."""
    untold = dict.fromkeys(PageKind, 0)
    for block, settled, kind in zip(ram.blocks, runs, missing, strict=True):
        untold[kind] += block.pages - settled.told if block.mapped is None else 0
    told = sum(settled.told for settled in runs)
    most = min(believed(told, SPARSE), MAX_UNTOLD)
    if untold[PageKind.ZERO] > most or sum(untold.values()) > MAX_UNTOLD:
        expected, got = f"at most 0x{most:x} for 0x{told:x} that it tells of", f"0x{sum(untold.values()):x}"
        raise StreamError(
            "the stream does not tell of most of its pages", offset=ram.offset, expected=expected, got=got
        )


def _check_channels(ram: RamSection, runs: Sequence[Settled], missing: Sequence[PageKind]) -> None:
    """Pages of which nothing tells are zero; where no page came with its contents they went another way."""
    short = any(
        settled.told < block.pages and kind is PageKind.ZERO and block.mapped is None
        for block, settled, kind in zip(ram.blocks, runs, missing, strict=True)
    )
    if short and (ram.flushed or not ram.carried):
        raise UnsupportedError(
            "the pages of this stream travelled in channels of their own (multifd)",
            offset=ram.offset,
            hint="give the file of each: -O channel=FILE, once for each channel",
        )


def _run(first: int, count: int, offset: int, place: int) -> Settled:
    columns = np.array([[first], [count], [offset]], np.int64)
    return Settled(columns[0], columns[1], columns[2], np.array([place], np.int32))


def _mapped(file: StreamFile, mapped: MappedPages, pages: int) -> Settled:
    """The runs of pages whose bits are set; what stands where a bit is clear is left over."""
    parts = list(_bits(file, mapped, pages))
    firsts = np.concatenate([part[0] for part in parts])
    counts = np.concatenate([part[1] for part in parts])
    places = np.full(len(firsts), Place.FILE, np.int32)
    return Settled(firsts, counts, mapped.pages + firsts * PAGE_SIZE, places)


def _bits(file: StreamFile, mapped: MappedPages, pages: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    for start in range(0, pages, 8 * BITMAP):
        count = min(8 * BITMAP, pages - start)
        octets = file.take(mapped.bitmap + start // 8, -(-count // 8), "the bitmap of mapped-ram")
        bits = np.unpackbits(np.frombuffer(octets, np.uint8), count=count, bitorder="little")
        edges = np.flatnonzero(np.diff(bits, prepend=np.uint8(0), append=np.uint8(0))).astype(np.int64)
        yield edges[::2] + start, edges[1::2] - edges[::2]
