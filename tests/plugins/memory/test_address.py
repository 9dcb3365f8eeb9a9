"""Where addresses lead."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings, strategies as st

from domctx.api import Placement, RamBlock
from domctx.errors import DomainError, UsageError
from domctx_memory.address import AddressMap, Extent, block_named, number, space_of
from helpers.memory import SourceMemory

PC = [
    RamBlock("pc.ram", 0x10000, 12, (Placement(0, 0, 0xA000), Placement(0x100000, 0xA000, 0x6000))),
    RamBlock("vga", 0x2000, 12, (Placement(0xA000, 0, 0x2000),)),
    RamBlock("rom", 0x1000),
]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("4096", 4096),
        ("0x1000", 4096),
        ("0X1f", 31),
        ("4K", 4096),
        ("0x10k", 16384),
        ("1M", 1 << 20),
        ("2g", 2 << 30),
        ("1T", 1 << 40),
        ("010", 10),
        ("0xffffffff00000", 0xFFFFFFFF00000),
    ],
)
def test_numbers_are_decimal_or_hexadecimal_with_suffixes(text: str, value: int) -> None:
    """Decimal and 0x numbers, with K, M, G or T behind them, are understood."""
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "K", "-1", "1.5", "0x", "1KB", "0b1", "١", "1 K", "0x4000000000000000", "9" * 99])
def test_other_numbers_are_refused(text: str) -> None:
    """Anything else is refused, saying what to write."""
    with pytest.raises(UsageError, match="is not a number") as caught:
        number(text)
    assert caught.value.hint


def test_addresses_lead_to_blocks() -> None:
    """A range of guest-physical addresses is cut where another run of a block begins."""
    space = AddressMap.of_machine(PC)
    assert space.end == 0x106000
    assert list(space.find(0x9FFF, 3)) == [Extent(0x9FFF, 0, 0x9FFF, 1), Extent(0xA000, 1, 0, 2)]
    assert list(space.find(0x100010, 0x10)) == [Extent(0x100010, 0, 0xA010, 0x10)]
    assert list(space.find(0x5000, 0)) == []
    assert space.ranges() == [(0, 0xC000), (0x100000, 0x106000)]


@pytest.mark.parametrize(("address", "length"), [(0xC000, 1), (0xBFFF, 2), (0x105FFF, 2), (0x106000, 1), (1 << 61, 1)])
def test_what_is_no_ram_is_refused(address: int, length: int) -> None:
    """A range that leaves RAM, even by one octet, is refused, saying where RAM is."""
    with pytest.raises(DomainError, match="outside of guest-physical memory") as caught:
        list(AddressMap.of_machine(PC).find(address, length))
    assert caught.value.hint is not None
    assert "0x0-0xbfff, 0x100000-0x105fff" in caught.value.hint


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 0xBFFF), st.integers(0, 0xC000))
def test_every_octet_of_a_range_is_found_once(address: int, length: int) -> None:
    """The runs that are found follow each other and are as long as what was asked for."""
    length = min(length, 0xC000 - address)
    place = address
    for extent in AddressMap.of_machine(PC).find(address, length):
        assert extent.address == place
        assert extent.length > 0
        place = extent.end
    assert place == address + length


def test_a_block_is_an_address_space_of_its_own() -> None:
    """Offsets in one block lead to it, wherever it stands."""
    memory = SourceMemory(PC, [])
    space = space_of(memory, "rom")
    assert list(space.find(0x10, 0x20)) == [Extent(0x10, 2, 0x10, 0x20)]
    with pytest.raises(DomainError, match="outside of RAM block 'rom'"):
        list(space.find(0x1000, 1))
    assert space_of(memory, None).end == 0x106000


def test_pfns_are_addresses_where_nothing_is_said() -> None:
    """A single block without placements begins at 0; of several such blocks none has an address."""
    assert AddressMap.of_machine([RamBlock("ram", 0x5000)]).extents == [Extent(0, 0, 0, 0x5000)]
    space = AddressMap.of_machine([RamBlock("ram", 0x5000), RamBlock("more", 0x5000)])
    assert space.end == 0
    with pytest.raises(DomainError, match="outside of guest-physical memory") as caught:
        list(space.find(0, 1))
    assert caught.value.hint == "guest-physical memory is: nothing"


def test_two_blocks_at_one_address_are_refused() -> None:
    """Placements that overlap are refused; those that touch, and empty ones, are not."""
    one = RamBlock("one", 0x2000, 12, (Placement(0x1000, 0, 0x2000), Placement(0x1000, 0, 0)))
    with pytest.raises(DomainError, match="at one address"):
        AddressMap.of_machine([one, RamBlock("two", 0x1000, 12, (Placement(0x2FFF, 0, 0x1000),))])
    assert AddressMap.of_machine([one, RamBlock("two", 0x1000, 12, (Placement(0x3000, 0, 0x1000),))]).end == 0x4000


def test_ram_beyond_every_file_is_refused() -> None:
    """A placement at 1 << 62 is refused."""
    with pytest.raises(DomainError, match="beyond every file"):
        AddressMap.of_machine([RamBlock("ram", 0x1000, 12, (Placement(1 << 62, 0, 0x1000),))])


def test_blocks_are_found_by_their_names() -> None:
    """A name that no block, or more than one, has is refused, listing the blocks."""
    assert block_named(PC, "vga") == 1
    cases: Sequence[tuple[Sequence[RamBlock], str, str]] = (
        (PC, "nvram", "there is no"),
        ([*PC, *PC], "vga", "2 RAM blocks are called"),
        ([], "ram", "there is no"),
    )
    for blocks, name, message in cases:
        with pytest.raises(UsageError, match=message) as caught:
            block_named(blocks, name)
        assert "the blocks are" in str(caught.value.hint)
