"""The list of RAM blocks at the beginning of the RAM section (formats/qemu.md 2.2, 2.5, 2.7)."""

from __future__ import annotations

from collections.abc import Collection

from domctx.errors import StreamError, UnsupportedError
from domctx.values import frozen
from domctx_qemu_stream.cursor import Cursor
from domctx_qemu_stream.layout import IGNORE_SHARED, MAPPED_RAM, MAX_BLOCKS, MAX_RAM, PAGE_SHIFT, PAGE_SIZE

BLOCK_LIST = "the list of RAM blocks"
FLAT: str = "ram"
"""What the one block of a stream without a list is called."""


@frozen
class MappedPages:
    """Where a mapped-ram file keeps a block: offsets in the file of the bitmap and of page 0."""

    page_size: int
    bitmap: int
    pages: int


@frozen
class WireBlock:
    """A RAM block as the stream lists it; ``address`` is that of its region in its container, where it is told."""

    name: str
    size: int
    page_size: int | None = None
    address: int | None = None
    mapped: MappedPages | None = None

    @property
    def pages(self) -> int:
        """Pages of the block."""
        return self.size >> PAGE_SHIFT


@frozen
class Wire:
    """What decides on the fields of an entry: capabilities of the configuration, and whether postcopy was advised."""

    capabilities: Collection[str] = ()
    postcopy: bool = False


def flat_block(total: int, at: int) -> WireBlock:
    """The one block of a RAM section without a list."""
    return WireBlock(FLAT, _total(total, at))


def read_blocks(cursor: Cursor, total: int, wire: Wire) -> list[WireBlock]:
    """The entries behind a word that says that the blocks have ``total`` octets. Raises StreamError."""
    at = cursor.offset - 8
    left = _total(total, at)
    found: dict[str, WireBlock] = {}
    while left:
        start = cursor.offset
        if len(found) == MAX_BLOCKS:
            raise StreamError("the list of RAM blocks is too long", offset=start, expected=f"at most {MAX_BLOCKS}")
        block = _block(cursor, wire)
        if not 0 < block.size <= left:
            raise StreamError(
                f"RAM block {block.name!r} has a size that cannot be",
                offset=start,
                expected=f"1 .. 0x{left:016x}, what is left of all blocks",
                got=f"0x{block.size:016x}",
            )
        if block.size % PAGE_SIZE:
            raise StreamError(f"RAM block {block.name!r} has no whole pages", offset=start, got=f"0x{block.size:016x}")
        if block.name in found:
            raise StreamError(f"RAM block {block.name!r} is listed twice", offset=start)
        found[block.name] = block
        left -= block.size
    return list(found.values())


def _total(total: int, at: int) -> int:
    if total > MAX_RAM:
        expected, got = f"at most 0x{MAX_RAM:016x} octets", f"0x{total:016x}"
        raise StreamError("the stream tells of more RAM than any machine has", offset=at, expected=expected, got=got)
    return total


def _block(cursor: Cursor, wire: Wire) -> WireBlock:
    name = cursor.text(BLOCK_LIST)
    size = cursor.number(8, BLOCK_LIST)
    page_size = address = mapped = None
    if wire.postcopy and _is_huge(int.from_bytes(cursor.file.read(cursor.offset, 8), "big")):
        page_size = cursor.number(8, BLOCK_LIST)
    if IGNORE_SHARED in wire.capabilities:
        address = cursor.number(8, BLOCK_LIST)
    if MAPPED_RAM in wire.capabilities:
        mapped = _mapped(cursor, size)
    return WireBlock(name, size, page_size, address, mapped)


def _is_huge(number: int) -> bool:
    """Whether a number can be the size of a host's huge page, and neither a name nor a word of flags."""
    return number > PAGE_SIZE and number & (number - 1) == 0 and number < 1 << 40


def _mapped(cursor: Cursor, size: int) -> MappedPages | None:
    """A mapped-ram header; its pages are passed over. None where the block is left out."""
    at = cursor.offset
    version = cursor.number(4, BLOCK_LIST)
    if version != 1:
        raise UnsupportedError("mapped-ram of an unknown version", offset=at, expected="1", got=f"0x{version:08x}")
    page_size, bitmap, pages = (cursor.number(8, BLOCK_LIST) for _ in range(3))
    if page_size != PAGE_SIZE:
        raise UnsupportedError(
            "mapped-ram with pages of this size", offset=at + 4, expected=f"0x{PAGE_SIZE:x}", got=f"0x{page_size:x}"
        )
    if not bitmap and not pages:
        return None
    least = bitmap + (size // PAGE_SIZE + 63) // 64 * 8
    if bitmap < cursor.offset or pages < least or pages % PAGE_SIZE:
        expected, got = f"at least 0x{least:016x}", f"bitmap 0x{bitmap:016x}, pages 0x{pages:016x}"
        raise StreamError("mapped-ram keeps pages where they cannot be", offset=at + 12, expected=expected, got=got)
    if pages + size > cursor.file.size:
        cursor.file.take(cursor.file.size, 1, "the pages of mapped-ram")
    cursor.offset = pages + size
    return MappedPages(page_size, bitmap, pages)
