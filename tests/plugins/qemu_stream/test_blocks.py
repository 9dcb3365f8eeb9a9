"""The list of RAM blocks: what is read is what was listed, and the list ends where it ends."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, strategies as st

from domctx.errors import StreamError
from domctx_qemu_stream.blocks import MappedPages, Wire, WireBlock, read_blocks
from domctx_qemu_stream.cursor import Cursor
from domctx_qemu_stream.octets import Octets
from helpers.qemu_streams import DATA, EOF_WORD, PAGE, data, pages, text, u32, u64

HUGE = 2 << 20
NAMES = st.text(st.characters(codec="latin-1"), min_size=1, max_size=20)
SIZES = st.integers(1, 1 << 20).map(lambda number: number * PAGE)


def read(entries: bytes, total: int, behind: bytes, *capabilities: str, postcopy: bool = False) -> list[WireBlock]:
    """The blocks of a list in a stream; what stands behind it is left alone."""
    octets = u64(total) + entries
    cursor = Cursor(Octets(octets + behind), 8)
    found = read_blocks(cursor, total, Wire(capabilities, postcopy))
    assert cursor.offset == len(octets)
    return found


@given(
    st.dictionaries(NAMES, st.tuples(SIZES, st.booleans(), st.integers(0, 1 << 46)), min_size=1, max_size=9),
    st.booleans(),
    st.booleans(),
    st.sampled_from([EOF_WORD, data(0, pages(1)), data(5, pages(1)), data(1 << 20, pages(1), "ram"), u64(DATA)]),
)
def test_a_list_is_read_as_it_was_written(
    told: dict[str, tuple[int, bool, int]], postcopy: bool, shared: bool, behind: bytes
) -> None:
    """Where postcopy was advised, blocks in huge pages tell their size, and no other number is taken for one."""
    blocks = [
        WireBlock(name, size, HUGE if postcopy and huge else None, address if shared else None)
        for name, (size, huge, address) in told.items()
    ]
    taken = [block.address for block in blocks if block.page_size is None and postcopy]
    assume(not {1 << shift for shift in range(13, 40)} & set(taken))  # nothing tells such an address from a size
    entries = b""
    for block in blocks:
        entries += text(block.name) + u64(block.size)
        entries += u64(block.page_size) if block.page_size is not None else b""
        entries += u64(block.address) if block.address is not None else b""
    capabilities = ["x-ignore-shared"] * shared
    assert read(entries, sum(block.size for block in blocks), behind, *capabilities, postcopy=postcopy) == blocks


def mapped(count: int, bitmap: int, contents: int) -> bytes:
    """The entry of a block of ``count`` pages in a mapped-ram file."""
    return text("ram") + u64(count * PAGE) + u32(1) + u64(PAGE) + u64(bitmap) + u64(contents)


@pytest.mark.parametrize(("count", "words"), [(1, 1), (63, 1), (64, 1), (65, 2), (128, 2), (129, 3)])
def test_a_bitmap_has_a_bit_for_each_page(count: int, words: int) -> None:
    """It stands between the list and the pages, which are there to the last octet; otherwise it is refused."""
    size = count * PAGE
    head = 8 + len(mapped(count, 0, 0))
    end = PAGE - 8 * words
    for bitmap, contents in ((end, PAGE), (head, 2 * PAGE)):
        octets = (u64(size) + mapped(count, bitmap, contents)).ljust(contents + size, b"\0")
        cursor = Cursor(Octets(octets), 8)
        (block,) = read_blocks(cursor, size, Wire(["mapped-ram"]))
        assert block == WireBlock("ram", size, mapped=MappedPages(PAGE, bitmap, contents))
        assert cursor.offset == contents + size
        with pytest.raises(StreamError, match="end early, in the pages of mapped-ram"):
            read_blocks(Cursor(Octets(octets[:-1]), 8), size, Wire(["mapped-ram"]))
    wrong = [(end + 1, PAGE), (head - 1, PAGE), (0, PAGE), (head, 0), (end, PAGE + 1), (PAGE, PAGE)]
    for bitmap, contents in wrong:
        octets = (u64(size) + mapped(count, bitmap, contents)).ljust(2 * PAGE + size, b"\0")
        with pytest.raises(StreamError, match="where they cannot be"):
            read_blocks(Cursor(Octets(octets), 8), size, Wire(["mapped-ram"]))
