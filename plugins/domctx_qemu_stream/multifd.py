"""Channels of multifd: pages that travelled beside the stream, in packets (formats/qemu.md 2.9)."""

from __future__ import annotations

import heapq
import sys
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np

from domctx.errors import DomctxError, StreamError, UnsupportedError, UsageError
from domctx.schema import U8, U32, U64, Bytes, decode, layout, size_of
from domctx.values import frozen
from domctx_qemu_stream.blocks import WireBlock
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.layout import COMPRESSED_LIMIT, PAGE_SHIFT, PAGE_SIZE
from domctx_qemu_stream.ram import RamSection
from domctx_qemu_stream.runs import Place, Runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC: Final = 0x1122_3344
VERSION: Final = 1
PAGES: Final = 128
"""Pages of a packet at most: its table of offsets has no more."""

SYNC: Final = 0x01
METHOD: Final = 0x3E
DEVICE_STATE: Final = 0x40
NONE, ZLIB, ZSTD = 0x00, 0x02, 0x04


@layout(source="formats/qemu.md 2.9: the beginning of a channel", byte_order="big")
@frozen
class ChannelHead:
    """The first 64 octets of a channel."""

    magic: Annotated[int, U32("0x11223344")]
    version: Annotated[int, U32("1")]
    uuid: Annotated[bytes, Bytes(16, "the machine's UUID; zeros where it has none")]
    number: Annotated[int, U8("which channel, from 0 on")]
    unused: Annotated[bytes, Bytes(39, "zeros")]


@layout(source="formats/qemu.md 2.9: a packet", byte_order="big")
@frozen
class Packet:
    """The head of a packet: 1344 octets; its pages follow where it has any with contents."""

    magic: Annotated[int, U32("0x11223344")]
    version: Annotated[int, U32("1")]
    flags: Annotated[int, U32("bit 0: SYNC; bits 1-5: how pages are packed; bit 6: a device's state")]
    pages_alloc: Annotated[int, U32("pages that fit a packet; 0 in packets that only synchronise", unit="pages")]
    normal_pages: Annotated[int, U32("pages whose contents follow", unit="pages")]
    next_packet_size: Annotated[int, U32("length of what follows; stale where there are no pages", unit="octets")]
    packet_num: Annotated[int, U64("a count over all channels")]
    zero_pages: Annotated[int, U32("pages of zeros, from QEMU 9.0 on", unit="pages")]
    unused: Annotated[bytes, Bytes(28, "zeros")]
    block: Annotated[bytes, Bytes(256, "the block's name, NUL behind it")]
    offsets: Annotated[bytes, Bytes(8 * PAGES, "u64 each, of pages in the block: those with contents first")]


HEAD_SIZE: Final = size_of(ChannelHead)
PACKET_SIZE: Final = size_of(Packet)


@frozen(eq=False)
class Pages:
    """Pages of one block: where in it, and where their contents begin; ``place`` FILL for zeros."""

    block: int
    numbers: NDArray[np.int64]
    offset: int
    place: int
    at: int


class Channel:
    """One channel, read packet by packet."""

    def __init__(self, file: StreamFile, place: int, ram: RamSection) -> None:
        self.file, self._place, self._ram = file, place, ram
        self._names = {block.name.encode("latin-1"): index for index, block in enumerate(ram.blocks)}
        self._unpacker: Any = None
        self._method = NONE
        head = decode(ChannelHead, file.take(0, HEAD_SIZE, "the head of a channel"))
        _check_magic(head.magic, head.version, "is no channel of multifd", 0)
        self.number = head.number

    def packets(self) -> Iterator[tuple[tuple[int, int, int], list[Pages]]]:
        """What each packet brings, with the key of its order among all channels. Raises StreamError."""
        at, epoch = HEAD_SIZE, 0
        while at < self.file.size:
            packet = decode(Packet, self.file.take(at, PACKET_SIZE, "a packet"))
            _check(packet, at)
            found = self._pages(packet, at) if packet.normal_pages or packet.zero_pages else []
            yield (epoch, packet.packet_num, self.number), found
            at += PACKET_SIZE + (packet.next_packet_size if packet.normal_pages else 0)
            epoch += packet.flags & SYNC

    def _pages(self, packet: Packet, at: int) -> list[Pages]:
        name = packet.block.partition(b"\0")[0]
        block = self._names.get(name)
        if block is None:
            got = repr(name.decode("latin-1"))
            raise StreamError("a packet of a RAM block that is not listed", offset=at, got=got)
        count = packet.normal_pages + packet.zero_pages
        offsets = np.frombuffer(packet.offsets, ">u8")[:count]
        limit = self._ram.blocks[block].size
        bad = (offsets > limit - PAGE_SIZE) | (offsets % PAGE_SIZE != 0)
        if bad.any():
            expected, got = f"pages below 0x{limit:016x}", f"0x{int(offsets[int(bad.argmax())]):016x}"
            raise StreamError("a packet has a page outside of its RAM block", offset=at, expected=expected, got=got)
        numbers = (offsets >> np.uint64(PAGE_SHIFT)).astype(np.int64)
        found = []
        if packet.normal_pages:
            offset, place = self._contents(packet, at)
            found.append(Pages(block, numbers[: packet.normal_pages], offset, place, at))
        if packet.zero_pages:
            found.append(Pages(block, numbers[packet.normal_pages :], 0, Place.FILL, at))
        return found

    def _contents(self, packet: Packet, at: int) -> tuple[int, int]:
        """Where the contents stand: in the channel itself, or unpacked in the spool."""
        method, start, size = packet.flags & METHOD, at + PACKET_SIZE, packet.next_packet_size
        wanted = packet.normal_pages * PAGE_SIZE
        if method == NONE:
            if size != wanted:
                expected, got = f"0x{wanted:08x}", f"0x{size:08x}"
                raise StreamError("a packet is not as long as its pages", offset=at, expected=expected, got=got)
            if start + size > self.file.size:
                self.file.take(self.file.size, 1, "the pages of a packet")
            return start, self._place
        octets = self._unpack(method, self.file.take(start, size, "the pages of a packet"), wanted, at)
        return self._ram.spool.append(octets), Place.SPOOL

    def _unpack(self, method: int, packed: bytes, wanted: int, at: int) -> bytes:
        if self._unpacker is None:
            self._unpacker, self._method = _unpacker(method, at), method
        if method != self._method:
            raise StreamError("a channel changes how pages are packed", offset=at, got=f"0x{method:02x}")
        try:
            octets: bytes = self._unpacker.decompress(packed, wanted + 1)
        except (zlib.error, zstd.ZstdError, EOFError) as error:
            raise StreamError("a packet cannot be unpacked", offset=at, got=str(error)) from error
        if len(octets) != wanted:
            expected, got = f"0x{wanted:x} octets", f"0x{len(octets):x}"
            raise StreamError("a packet does not unpack to its pages", offset=at, expected=expected, got=got)
        return octets


def _unpacker(method: int, at: int) -> Any:
    if method == ZLIB:
        return zlib.decompressobj()
    if method == ZSTD:
        return zstd.ZstdDecompressor()
    raise UnsupportedError(
        "pages are packed in a way that is not read (QPL, UADK, QATZIP, ...)",
        offset=at,
        got=f"0x{method:02x}",
        hint="save with multifd-compression none, zlib or zstd",
    )


def _check_magic(magic: int, version: int, message: str, at: int) -> None:
    if (magic, version) != (MAGIC, VERSION):
        expected, got = f"0x{MAGIC:08x} 0x{VERSION:08x}", f"0x{magic:08x} 0x{version:08x}"
        raise StreamError(message, offset=at, expected=expected, got=got)


def _check(packet: Packet, at: int) -> None:
    _check_magic(packet.magic, packet.version, "a packet does not begin as packets do", at)
    if packet.flags & DEVICE_STATE:
        raise UnsupportedError("a device's state travelled in a channel, which is not read", offset=at)
    if packet.normal_pages + packet.zero_pages > PAGES:
        got = f"0x{packet.normal_pages:08x} + 0x{packet.zero_pages:08x}"
        raise StreamError("a packet has too many pages", offset=at, expected=f"at most 0x{PAGES:08x}", got=got)
    if packet.normal_pages and packet.next_packet_size > PAGES * COMPRESSED_LIMIT:
        got = f"0x{packet.next_packet_size:08x}"
        raise StreamError(
            "a packet is too long", offset=at, expected=f"at most 0x{PAGES * COMPRESSED_LIMIT:08x}", got=got
        )


def add_channels(ram: RamSection, files: Sequence[StreamFile], first_place: int) -> None:
    """Note where the pages of all channels are, in the order of their packets between two synchronisations.

    Raises UsageError for a channel that is given twice, UnsupportedError for pages that the main channel tells too:
    which of them is later nobody can tell.
    """
    channels = [_opened(file, first_place + index, ram) for index, file in enumerate(files)]
    if len({channel.number for channel in channels}) < len(channels):
        raise UsageError("a channel is given twice", hint="give each channel's file once, in any order")
    sides = [ram.new_runs(block) for block in ram.blocks]
    for _, packet in heapq.merge(*(_named(channel) for channel in channels), key=lambda item: item[0]):
        for pages in packet:
            _note(sides[pages.block], pages)
    for block, runs, side in zip(ram.blocks, ram.runs, sides, strict=True):
        _join(block, runs, side)


def _join(block: WireBlock, runs: Runs, side: Runs) -> None:
    """Put what the channels brought of a block to what the stream told of it."""
    found, told = side.settle(), runs.settle().told
    columns = (found.firsts, found.counts, found.offsets, found.places)
    for first, count, offset, place in zip(*(column.tolist() for column in columns), strict=True):
        runs.add(first, count, offset, place)
    total = runs.settle().told
    if total < told + found.told:
        raise UnsupportedError(
            f"0x{told + found.told - total:x} pages of RAM block {block.name!r} are told in stream and channels",
            hint="which of them is later cannot be told: save the guest while it is stopped",
        )
    if total < block.pages:
        message = f"0x{block.pages - total:x} pages of RAM block {block.name!r} are in no channel that was given"
        raise UnsupportedError(message, hint="give the file of each channel: -O channel=FILE, once for each")


def _opened(file: StreamFile, place: int, ram: RamSection) -> Channel:
    try:
        return Channel(file, place, ram)
    except DomctxError as error:
        raise error.at(file=file.name) from None


def _named(channel: Channel) -> Iterator[tuple[tuple[int, int, int], list[Pages]]]:
    try:
        yield from channel.packets()
    except DomctxError as error:
        error.at(file=channel.file.name)
        raise


def _note(runs: Runs, pages: Pages) -> None:
    """Each stretch of pages in a row is a run."""
    edges = np.flatnonzero(np.diff(pages.numbers) != 1) + 1
    starts = [0, *edges.tolist()]
    stops = [*edges.tolist(), len(pages.numbers)]
    for start, stop in zip(starts, stops, strict=True):
        offset = pages.offset if pages.place == Place.FILL else pages.offset + start * PAGE_SIZE
        runs.add(int(pages.numbers[start]), stop - start, offset, pages.place)
