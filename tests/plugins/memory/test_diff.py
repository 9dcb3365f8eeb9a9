"""Two memories compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.api import Difference, RamBlock
from domctx.errors import DomainError
from domctx.states import Memory, PageBatch, PageKind
from domctx_memory.diff import diff
from helpers.memory import Pages, Road, SourceMemory, block_of, memories, picture, random_pages, sample_memory


def differences(a: Memory, b: Memory) -> list[Difference]:
    """All differences."""
    return list(diff(a, b, Road(a.blocks).context()))


def copy_of(memory: SourceMemory, cuts: tuple[int, ...] = ()) -> SourceMemory:
    """The same memory in arrays of its own."""
    pages = [
        Pages(found.kinds.copy(), found.contents.copy(), None if found.types is None else found.types.copy())
        for found in memory.pages
    ]
    return SourceMemory(memory.blocks, pages, cuts)


@settings(max_examples=25, deadline=None)
@given(memories())
def test_a_memory_equals_itself(memory: SourceMemory) -> None:
    """A memory, however its batches are cut, does not differ from its copy, from its image, or from what was loaded."""
    road = Road(memory.blocks)
    bodies = road.bodies(memory)
    for other in (copy_of(memory, (7, 500)), road.view(*bodies), road.load_bodies(*bodies)):
        assert differences(memory, other) == []
        assert differences(other, memory) == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32), st.sampled_from([1, 100, 1100]))
def test_just_the_pages_that_differ_are_told(seed: int, other_seed: int, count: int) -> None:
    """The runs that are told cover just the pages that differ by the naive comparison, and no page twice."""
    a, b = sample_memory(seed, count), sample_memory(other_seed, count)
    (one,), (other,) = picture(a), picture(b)
    expected = [page for page in range(count) if one[page] != other[page]]
    told = [page for found in differences(a, b) for page in _pages(found.path)]
    assert told == expected


def _pages(path: str) -> range:
    """The pages that a path names."""
    first, _, last = path.split(",")[0].rsplit(" ", 1)[1].partition("-")
    return range(int(first, 16), int(last or first, 16) + 1)


def changed(page: int, count: int = 1, **columns: Any) -> tuple[SourceMemory, SourceMemory]:
    """A memory of 1500 pages of data, and one in which some pages are others."""
    contents = np.arange(1500 * 4096).astype(np.uint8).reshape(1500, 4096)
    contents[:, 0] = np.arange(1500) % 251
    a = SourceMemory([block_of(1500)], [Pages(np.zeros(1500, np.uint8), contents, np.zeros(1500, np.uint8))])
    b = copy_of(a)
    for name, value in columns.items():
        getattr(b.pages[0], name)[page : page + count] = value
    return a, b


def test_one_octet_is_named() -> None:
    """A page in which one octet differs is told with its block, number, kind, the octet's place and both values."""
    a, b = changed(1100)
    b.pages[0].contents[1100, 0x123] ^= 0xFF
    (found,) = differences(a, b)
    assert (found.record, found.path, found.counted) == ("MEMORY", "pc.ram page 0x44c, octets 0x123-0x123", True)
    assert found.a == {"kinds": {"data": 1}, "octets": "23"}
    assert found.b == {"kinds": {"data": 1}, "octets": "dc"}


def test_the_first_range_of_a_page_is_told_and_shown_in_part() -> None:
    """Of a page that differs in several ranges the first is told, and its first sixteen octets are shown."""
    a, b = changed(3)
    b.pages[0].contents[3, 0x10:0x40] ^= 0xFF
    b.pages[0].contents[3, 0x80:] ^= 0xFF
    (found,) = differences(a, b)
    assert found.path == "pc.ram page 0x3, octets 0x010-0x03f"
    assert len(bytes.fromhex(found.a["octets"])) == 16
    b.pages[0].contents[3] = 0xFF ^ a.pages[0].contents[3]
    (found,) = differences(a, b)
    assert found.path == "pc.ram page 0x3, octets 0x000-0xfff"


@pytest.mark.parametrize("kind", [kind for kind in PageKind if kind not in (PageKind.DATA, PageKind.BASE)])
def test_every_kind_is_named(kind: PageKind) -> None:
    """A page that is data on one side and another kind on the other is told with both kinds."""
    a, b = changed(5, kinds=kind)
    b.pages[0].contents[5] = 0xEE if kind == PageKind.FILL else 0
    (found,) = differences(a, b)
    assert found.path.startswith("pc.ram page 0x5")
    assert (found.a["kinds"], found.b["kinds"]) == ({"data": 1}, {kind.name.lower(): 1})
    assert ("octets" in found.a) == (kind in (PageKind.ZERO, PageKind.FILL))


def test_pages_of_one_octet_equal_what_says_so() -> None:
    """A DATA page of one repeated octet does not differ from a FILL or ZERO page of it."""
    a, b = changed(5, count=2, contents=0)
    b.pages[0].contents[6] = 7
    a.pages[0].contents[5:7] = b.pages[0].contents[5:7]
    b.pages[0].kinds[5:7] = [PageKind.ZERO, PageKind.FILL]
    assert differences(a, b) == []
    b.pages[0].contents[6] = 8
    (found,) = differences(a, b)
    assert found.a == {"kinds": {"fill": 1}, "octets": " ".join(["07"] * 16)}


def test_types_are_told() -> None:
    """Pages that differ in their type alone are told with their types, and those of which only one side told any."""
    a, b = changed(5, count=2, types=[1, 10])
    (found,) = differences(a, b)
    assert found.path == "pc.ram pages 0x5-0x6"
    assert found.a == {"kinds": {"data": 2}, "types": {"notab": 2}}
    assert found.b == {"kinds": {"data": 2}, "types": {"l1tab": 1, "l2tab pinned": 1}}
    a.pages[0].types = None
    (found,) = differences(a, b)
    assert found.path == "pc.ram pages 0x0-0x5db"
    assert found.a["types"] == {"untold": 1500}
    assert found.b["types"] == {"notab": 1498, "l1tab": 1, "l2tab pinned": 1}


def test_consecutive_pages_are_one_run() -> None:
    """Pages that differ one behind the other are one difference, across records too, with their kinds counted."""
    a, b = changed(0, count=1500, kinds=PageKind.ZERO, contents=0)
    b.pages[0].kinds[1200:] = PageKind.ABSENT
    (found,) = differences(a, b)
    assert found.path == "pc.ram pages 0x0-0x5db, first octets 0x001-0x0ff"
    assert found.a["kinds"] == {"data": 1500}
    assert found.b["kinds"] == {"zero": 1200, "absent": 300}


def test_blocks_end_runs() -> None:
    """Pages at the end of one block and at the start of the next are two differences."""
    blocks = [block_of(4, name="one"), block_of(4, name="two")]
    a = SourceMemory(blocks, [random_pages(1, 4, 4096), random_pages(1, 4, 4096)])
    b = copy_of(a)
    b.pages[0].kinds[3] = b.pages[1].kinds[0] = PageKind.BROKEN
    assert [found.path.split(",")[0] for found in differences(a, b)] == ["one page 0x3", "two page 0x0"]


def test_blocks_that_differ_are_told_and_what_they_share_is_compared() -> None:
    """Blocks of one side, or of other sizes, are told; the pages that both sides have are compared all the same."""
    a = SourceMemory(
        [block_of(1500, name="ram"), block_of(10, name="rom"), block_of(5, name="a")],
        [random_pages(1, 1500, 4096), random_pages(2, 10, 4096), random_pages(3, 5, 4096)],
    )
    b = SourceMemory(
        [block_of(10, name="rom"), block_of(1400, name="ram"), block_of(10, 11, "a")],
        [random_pages(2, 10, 4096), random_pages(1, 1400, 4096), random_pages(3, 10, 2048)],
    )
    a.pages[1].kinds[:] = b.pages[0].kinds[:] = PageKind.ZERO
    b.pages[1].kinds[:] = a.pages[0].kinds[:1400]
    b.pages[1].contents[:] = a.pages[0].contents[:1400]
    assert [(found.path, found.a and found.a["size"]) for found in differences(a, b)] == [
        ("block ram", 1500 * 4096),
        ("block a", 5 * 4096),
    ]
    b.pages[1].kinds[1399] = b.pages[0].kinds[3] = PageKind.BROKEN
    found = [found.path.split(",")[0] for found in differences(a, b)]
    assert found == ["block ram", "block a", "ram page 0x577", "rom page 0x3"]
    assert [found.b for found in differences(a, SourceMemory([], []))] == [None, None, None]


def test_a_source_that_gives_pages_twice_is_refused() -> None:
    """Memories whose pages do not come each once, in one order, cannot be compared as they are."""

    class Rounds(SourceMemory):
        def batches(self, pages: int = 1024) -> Any:
            yield from super().batches(pages)
            yield self.read(0, 0, 3)

    a = Rounds([block_of(10)], [random_pages(1, 10, 4096)])
    with pytest.raises(DomainError, match="same order, each once"):
        differences(a, copy_of(a))
    with pytest.raises(DomainError, match="same order, each once"):
        differences(copy_of(a), a)


def test_a_totally_different_guest_is_a_few_lines() -> None:
    """Two guests with nothing in common, 16 MiB each, differ in one run."""
    blocks = [RamBlock("ram", 16 << 20)]
    random = np.random.default_rng(1)

    class Noise(SourceMemory):
        def batches(self, pages: int = 1024) -> Any:
            for first in range(0, 4096, pages):
                noise = random.integers(0, 256, (pages, 4096)).astype(np.uint8)
                yield PageBatch(0, first, np.zeros(pages, np.uint8), noise)

    (found,) = differences(Noise(blocks, []), Noise(blocks, []))
    assert found.path.startswith("ram pages 0x0-0xfff, first octets 0x0")
