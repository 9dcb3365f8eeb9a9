"""Where QEMU's machines put their RAM."""

from __future__ import annotations

import pytest

from domctx_qemu_stream.blocks import WireBlock
from domctx_qemu_stream.placement import Board, board_of, low_in_cmos, main_blocks, place

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
    (block,) = place([WireBlock("pc.ram", size)], board)
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
    found = place(blocks(n1=2 * GIB, n0=2 * GIB, n2=GIB), Board("pc"))
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
    (block,) = place([WireBlock("pc.ram", 3 * GIB)], Board("q35"), cmos(GIB, 2 * GIB))
    assert [(place.address, place.length) for place in block.placements] == [(0, GIB), (HIGH, 2 * GIB)]
    assert low_in_cmos(cmos(GIB, 2 * GIB), 4 * GIB) is None
    assert low_in_cmos(cmos(GIB, 0)[:50], GIB) is None
    assert low_in_cmos(cmos(2 * GIB, 8 * GIB), 10 * GIB) == 2 * GIB
    assert low_in_cmos(cmos(16 * MIB, 0), 16 * MIB) is None
