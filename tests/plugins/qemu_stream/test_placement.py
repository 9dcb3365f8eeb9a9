"""Where QEMU's machines put their RAM."""

from __future__ import annotations

import pytest

from domctx.errors import UsageError
from domctx_qemu_stream.blocks import WireBlock
from domctx_qemu_stream.placement import (
    Board,
    board_of,
    chosen,
    is_sure,
    low_in_cmos,
    main_blocks,
    place,
    size_in_cmos,
)

MIB, GIB = 1 << 20, 1 << 30
HIGH = 4 * GIB


@pytest.mark.parametrize(
    ("board", "size", "low"),
    [
        (Board("pc"), 16 * MIB, 16 * MIB),
        (Board("pc"), 0xD000_0000, 0xD000_0000),
        (Board("pc"), 0xE000_0000, 0xC000_0000),
        (Board("pc", aligned=False), 4 * GIB, 0xE000_0000),
        (Board("isapc", aligned=False), 0xE000_0001, 0xE000_0000),
        (Board("q35"), 2600 * MIB, 2600 * MIB),
        (Board("q35"), 2817 * MIB, 2 * GIB),
        (Board("microvm"), 3 * GIB, 3 * GIB),
        (Board("microvm"), 5 * GIB, 3 * GIB),
    ],
)
def test_the_hole_below_4_gib(board: Board, size: int, low: int) -> None:
    """Each kind of machine splits its RAM where the reference says, and not before it must."""
    (block,) = place([WireBlock("pc.ram", size)], board, [0])
    found = [(place.address, place.offset, place.length) for place in block.placements]
    assert found == [(0, 0, low), (HIGH, low, size - low)][: 1 + (size > low)]


def blocks(**sizes: int) -> list[WireBlock]:
    """Blocks by name."""
    return [WireBlock(name, size) for name, size in sizes.items()]


@pytest.mark.parametrize(
    ("machine", "sections", "listed", "board"),
    [
        ("pc-i440fx-7.2", {"PCIBUS"}, [], Board("pc")),
        ("pc-i440fx-1.7", {"PCIBUS"}, [], Board("pc", aligned=False)),
        ("pc-i440fx-rhel7.6.0", {"PCIBUS"}, [], Board("pc")),
        ("pc-1.0", {"PCIBUS"}, [], Board("pc", aligned=False)),
        ("pc-q35-10.0", set(), [], Board("q35")),
        (None, {"0000:00:00.0/mch", "PCIBUS"}, [], Board("q35")),
        ("microvm", set(), [], Board("microvm")),
        (None, set(), blocks(**{"microvm.ram": 1}), Board("microvm")),
        ("isapc", {"timer"}, [], Board("isapc", aligned=False)),
        (None, {"timer"}, [], Board("isapc", aligned=False)),
        (None, {"PCIBUS"}, blocks(**{"pc.bios": 0x20000}), Board("pc", aligned=False)),
        (None, {"PCIBUS"}, blocks(**{"pc.bios": 0x40000}), Board("pc")),
        ("virt-7.2", {"timer", "cpu"}, blocks(node0=1), Board("")),
        ("acme-1.0", {"timer", "ioapic"}, blocks(node0=1), Board("pc")),
        ("acme-1.0", {"timer"}, blocks(**{"pc.bios": 0x40000}), Board("pc")),
        ("rhel6.6.0", {"timer"}, [], Board("pc")),
    ],
)
def test_which_board_it_is(machine: str | None, sections: set[str], listed: list[WireBlock], board: Board) -> None:
    """The machine type tells, and without one the sections and blocks do."""
    assert board_of(machine, sections, listed) == board


@pytest.mark.parametrize(
    ("names", "main"),
    [
        (["vga.vram", "pc.ram", "m0"], [1]),
        (["0000:00:02.0/vga.vram", "pc.bios", "m0", "/rom@etc/acpi/tables", "system.flash0"], [2]),
        (["n10", "n2", "pc.rom"], [1, 0]),
        (["beta", "alpha"], [0, 1]),
        (["/objects/mem", "0000:00:04.0/virtio-net-pci.rom"], [0]),
        (["pc.bios"], []),
        (["ram"], [0]),
    ],
)
def test_which_blocks_are_the_main_ram(names: list[str], main: list[int]) -> None:
    """By their usual names, else all that are memory backends; nodes of NUMA in the order of their numbers."""
    assert main_blocks([WireBlock(name, 4096) for name in names]) == main


def test_nodes_follow_each_other_across_the_hole() -> None:
    """A node that reaches over the hole has two places, and the next one goes on behind it."""
    nodes = blocks(n1=2 * GIB, n0=2 * GIB, n2=GIB)
    found = place(nodes, Board("pc"), main_blocks(nodes))
    assert [[(place.address, place.offset, place.length) for place in block.placements] for block in found] == [
        [(2 * GIB, 0, GIB), (HIGH, GIB, GIB)],
        [(0, 0, 2 * GIB)],
        [(HIGH + GIB, 0, GIB)],
    ]


def cmos(low: int, high: int) -> bytes:
    """CMOS as QEMU fills it for so much RAM below and above 4 GiB."""
    octets = bytearray(128)
    octets[0x34:0x36] = ((low - 16 * MIB) >> 16).to_bytes(2, "little")
    octets[0x5B:0x5E] = (high >> 16).to_bytes(3, "little")
    return bytes(octets)


def test_cmos_tells_where_the_ram_is_split() -> None:
    """max-ram-below-4g is not in a stream, but what it leads to stands in CMOS; it counts where it fits the size."""
    (block,) = place([WireBlock("pc.ram", 3 * GIB)], Board("q35"), [0], cmos(GIB, 2 * GIB))
    assert [(place.address, place.length) for place in block.placements] == [(0, GIB), (HIGH, 2 * GIB)]
    assert low_in_cmos(cmos(GIB, 2 * GIB), 4 * GIB) is None
    assert low_in_cmos(cmos(GIB, 0)[:50], GIB) is None
    assert low_in_cmos(cmos(2 * GIB, 8 * GIB), 10 * GIB) == 2 * GIB
    assert low_in_cmos(cmos(16 * MIB, 0), 16 * MIB) is None


@pytest.mark.parametrize(
    ("listed", "size", "main", "sure"),
    [
        (blocks(d0=128 * MIB, m0=64 * MIB), 64 * MIB, [1], True),
        (blocks(mem1=64 * MIB, mem0=64 * MIB, dimm0=32 * MIB), 128 * MIB, [1, 0], True),
        (blocks(mem1=64 * MIB, mem0=64 * MIB, dimm0=32 * MIB), 32 * MIB, [2], True),
        (blocks(ram1=128 * MIB, ram0=64 * MIB), 64 * MIB, [1], True),
        (blocks(ram1=64 * MIB, ram0=64 * MIB), 64 * MIB, [1, 0], False),
        (blocks(alpha=64 * MIB, beta=64 * MIB), 128 * MIB, [0, 1], False),
        (blocks(alpha=64 * MIB), 128 * MIB, [0], True),
        (blocks(alpha=64 * MIB, beta=32 * MIB), 0, [0, 1], False),
        (blocks(n1=64 * MIB, n0=32 * MIB), 0, [1, 0], True),
        (blocks(**{"pc.ram": 64 * MIB, "d0": 32 * MIB}), 64 * MIB, [0], True),
    ],
)
def test_cmos_tells_nodes_from_dimms(listed: list[WireBlock], size: int, main: list[int], sure: bool) -> None:
    """What has the size that CMOS tells is the main RAM; where that or the order is not told it is known not to be."""
    told = size_in_cmos(cmos(size, 0)) if size else None
    assert told == (size or None)
    assert main_blocks(listed, told) == main
    assert is_sure(listed, main, told) is sure


def test_how_much_ram_cmos_tells() -> None:
    """Above and below 4 GiB together; nothing where it is cut, or tells of none above 16 MiB."""
    assert size_in_cmos(cmos(GIB, 2 * GIB)) == 3 * GIB
    assert size_in_cmos(cmos(GIB, 2 * GIB)[:0x5D]) is None
    assert size_in_cmos(cmos(16 * MIB, 0)) is None
    assert size_in_cmos(b"") is None


def test_blocks_that_are_chosen() -> None:
    """Come in the order in which they are named; one that there is not, or that comes twice, is refused."""
    listed = blocks(alpha=1, beta=1)
    assert chosen(["beta", "alpha"], listed) == [1, 0]
    assert chosen([], listed) == []
    for names in (["gamma"], ["beta", "beta"]):
        with pytest.raises(UsageError, match="alpha, beta"):
            chosen(names, listed)
