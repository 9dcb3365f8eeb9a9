"""What QEMU tells of its machine, before its stream does: blocks of RAM, vCPUs, uuid (formats/qemu.md 8)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from domctx.api import Machine, Placement, RamBlock
from domctx.values import frozen
from domctx_qemu_stream.blocks import WireBlock
from domctx_qemu_stream.placement import HIGH, Board, board_of, main_blocks, may_be_main, place
from domctx_qmp.command_line import taken
from domctx_qmp.found import RUNNING
from domctx_qmp.monitor import Monitor

NO_UUID: Final = "00000000-0000-0000-0000-000000000000"
DIMMS: Final = ("dimm", "nvdimm")
"""The devices of memory whose blocks are called as their backends are."""
SUFFIX: Final = "-machine"
"""What the type of the object ``/machine`` ends with behind the name of the machine type."""
ROW: Final = re.compile(r" *(.*?) +[0-9]+ [KMG]iB +0x[0-9a-f]+ +0x([0-9a-f]+) +0x[0-9a-f]+\b.*")
"""A line of ``info ramblock``: name, page size, offset, used, total, and more in later versions."""
VIEW: Final = "FlatView #"
"""What begins each view of an address space in ``info mtree -f``."""
MEMORY: Final = re.compile(r' AS "memory",.*')
"""The address space that is guest-physical memory."""
REGION: Final = re.compile(
    r" +([0-9a-f]{16})-[0-9a-f]{16} \(prio [0-9]+, (?:ram|rom|romd|ramd|nv-ram)\): (.*?)(?: @([0-9a-f]{16}))?(?: KVM)?"
)
"""A line of it about memory: address, and where in which region it begins."""


@frozen
class Region:
    """A stretch of guest-physical memory: where it stands, and where it begins in the named region, in octets."""

    address: int
    name: str
    offset: int


@frozen
class ToldBoard(Board):
    """A board of which QEMU told how much of its RAM stands from address 0 on."""

    told: int = 0

    def low(self, size: int) -> int:
        """As QEMU told."""
        return min(size, self.told)


def machine_of(monitor: Monitor) -> Machine:
    """The machine, its main RAM where QEMU has it."""
    kind = machine_type(monitor)
    return Machine(
        name=kind,
        architecture=str(monitor.execute("query-target")["arch"]),
        hypervisor="qemu",
        blocks=ram_blocks(monitor, kind),
        vcpus=tuple(sorted(row["cpu-index"] for row in monitor.execute("query-cpus-fast"))),
        run_state="running" if monitor.status() == RUNNING else "paused",
        uuid=uuid_of(monitor),
        command_line=taken(monitor.pid),
    )


def ram_blocks(monitor: Monitor, kind: str) -> tuple[RamBlock, ...]:
    """The blocks of a machine of type ``kind``, with their places."""
    found = list(blocks_of(monitor.human("info ramblock")))
    dimms = plugged_in(found, memory_devices(monitor))
    others = [block for block in found if block.name not in dimms]
    rest = iter(placed(kind, others, monitor.human("info mtree -f")))
    return tuple(dimms.get(block.name) or next(rest) for block in found)


def machine_type(monitor: Monitor) -> str:
    """The name of the machine type, with its version where it has one."""
    return str(monitor.execute("qom-get", {"path": "/machine", "property": "type"})).removesuffix(SUFFIX)


def uuid_of(monitor: Monitor) -> str | None:
    """The machine's uuid; None where it was given none."""
    found = str(monitor.execute("query-uuid")["UUID"])
    return None if found == NO_UUID else found


def blocks_of(text: str) -> Iterator[WireBlock]:
    """The blocks that ``info ramblock`` lists, in the order in which the stream does; blocks without a name stay."""
    for line in text.splitlines():
        found = ROW.fullmatch(line)
        if found is not None and found[1]:
            yield WireBlock(found[1], int(found[2], 16))


def placed(kind: str, blocks: Sequence[WireBlock], tree: str) -> tuple[RamBlock, ...]:
    """The blocks with their places: which are main RAM, in which order, and where it is split, the regions tell."""
    board = board_of(kind, (), blocks)
    lines = memory_lines(tree)
    if not lines or not board.name:
        return place(blocks, board, main_blocks(blocks) if board.name else ())
    shown = list(regions(lines))
    begins = {region.name: region.address for region in reversed(shown)}
    main = [index for index, block in enumerate(blocks) if block.name in begins and may_be_main(block.name)]
    main.sort(key=lambda index: begins[blocks[index].name])
    start = 0
    high = {region.name: region.offset for region in shown if region.address == HIGH}
    for index in main:
        block = blocks[index]
        if block.name in high:
            return place(blocks, ToldBoard(board.name, board.aligned, start + high[block.name]), main)
        start += block.size
    return place(blocks, ToldBoard(board.name, board.aligned, start), main)


def memory_devices(monitor: Monitor) -> Sequence[Any]:
    """What ``query-memory-devices`` tells; nothing where QEMU does not know it (before 2.1)."""
    return list(monitor.ask("query-memory-devices") or ())


def plugged_in(blocks: Iterable[WireBlock], devices: Iterable[Any]) -> dict[str, RamBlock]:
    """Those of ``blocks`` that are DIMMs, by name; a block is called as its backend, or as that one's path."""
    told: dict[str, Any] = {}
    for device in devices:
        if device["type"] in DIMMS:
            path = str(device["data"]["memdev"])
            told |= {path: device["data"], path.rpartition("/")[2]: device["data"]}
    return {
        block.name: RamBlock(
            block.name, block.size, placements=(Placement(told[block.name]["addr"], 0, told[block.name]["size"]),)
        )
        for block in blocks
        if block.name in told and 0 < told[block.name]["size"] <= block.size
    }


def memory_lines(tree: str) -> list[str]:
    """The lines of ``info mtree -f`` about guest-physical memory; none where it has none."""
    views = (view.splitlines() for view in tree.split(VIEW))
    return next((view for view in views if any(MEMORY.fullmatch(line) for line in view)), [])


def regions(lines: Iterable[str]) -> Iterator[Region]:
    """The stretches of memory in these lines."""
    for line in lines:
        found = REGION.fullmatch(line)
        if found is not None:
            yield Region(int(found[1], 16), found[2], int(found[3] or "0", 16))
