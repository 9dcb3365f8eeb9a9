"""What QEMU tells of its machine, before its stream does: blocks of RAM, vCPUs, uuid (formats/qemu.md 8)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from domctx.api import Machine
from domctx_qemu_stream.blocks import WireBlock
from domctx_qemu_stream.placement import board_of, place
from domctx_qmp.found import RUNNING
from domctx_qmp.monitor import Monitor

NO_UUID: Final = "00000000-0000-0000-0000-000000000000"
SUFFIX: Final = "-machine"
"""What the type of the object ``/machine`` ends with behind the name of the machine type."""
ROW: Final = re.compile(r" *(.*?) +[0-9]+ [KMG]iB +0x[0-9a-f]+ +0x([0-9a-f]+) +0x[0-9a-f]+\b.*")
"""A line of ``info ramblock``: name, page size, offset, used, total, and more in later versions."""


def machine_of(monitor: Monitor) -> Machine:
    """The machine, its main RAM placed by the rules of its type."""
    kind = machine_type(monitor)
    blocks = list(blocks_of(monitor.human("info ramblock")))
    return Machine(
        name=kind,
        architecture=str(monitor.execute("query-target")["arch"]),
        hypervisor="qemu",
        blocks=place(blocks, board_of(kind, (), blocks)),
        vcpus=tuple(sorted(row["cpu-index"] for row in monitor.execute("query-cpus-fast"))),
        run_state="running" if monitor.status() == RUNNING else "paused",
        uuid=uuid_of(monitor),
    )


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
