"""The RAM section, written."""

from __future__ import annotations

import pytest

from domctx.api import RamBlock
from domctx.errors import DomainError
from domctx.sinks import BytesSink
from domctx_qemu_stream.heads import Head
from domctx_qemu_stream.layout import MAX_BLOCKS, MAX_RAM, Element
from domctx_qemu_stream.ram_writer import RamWriter
from helpers import qemu_streams as qs
from helpers.qemu_streams import PAGE

GOOD = RamBlock("pc.ram", PAGE)


def head(version: int = 4) -> Head:
    """The section's header."""
    octets = qs.section(1, 2, b"", "ram", 0, version, footer=False)
    return Head(Element.SECTION_START, 2, "ram", 0, version, octets)


def test_no_pages_are_a_section_too() -> None:
    """A section without pages has no part, and one without blocks lists none."""
    sink = BytesSink()
    writer = RamWriter(sink, head(), [], footers=True)
    writer.begin()
    writer.pause()
    writer.end()
    assert sink.octets == qs.section(1, 2, qs.u64(4) + qs.EOF_WORD, "ram", 0, 4) + qs.section(3, 2, qs.EOF_WORD)


@pytest.mark.parametrize(
    ("why", "version", "blocks"),
    [
        ("an unknown version", 2, [GOOD]),
        ("more blocks, or is larger", 3, [GOOD, RamBlock("second", PAGE)]),
        ("more blocks, or is larger", 4, [RamBlock(str(number), PAGE) for number in range(MAX_BLOCKS + 1)]),
        ("more blocks, or is larger", 4, [RamBlock("huge", MAX_RAM + PAGE)]),
        ("no whole pages", 4, [RamBlock("small", PAGE - 1)]),
        ("no whole pages", 4, [RamBlock("empty", 0)]),
        ("no whole pages", 4, [RamBlock("large pages", 1 << 21, page_shift=21)]),
        ("a name that no stream can hold", 4, [RamBlock("x" * 256, PAGE)]),
        ("a name that no stream can hold", 4, [RamBlock("", PAGE)]),
        ("a name that no stream can hold", 4, [RamBlock("\u20ac", PAGE)]),
    ],
)
def test_blocks_that_no_stream_can_list_are_refused(why: str, version: int, blocks: list[RamBlock]) -> None:
    """Too many, too large, no whole pages, names that do not fit into an octet's count of octets."""
    with pytest.raises(DomainError, match=why):
        RamWriter(BytesSink(), head(version), blocks, footers=True)
