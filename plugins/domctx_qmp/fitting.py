"""Whether a QEMU that waits is the machine that an image holds: seen before an octet is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from domctx.api import Machine
from domctx.errors import DomainError
from domctx.values import frozen
from domctx_qemu_stream.domain import HYPERVISOR
from domctx_qmp.describe import machine_type

if TYPE_CHECKING:
    from domctx_qmp.monitor import Monitor

WAITING: Final = "inmigrate"
ROW: Final = re.compile(r"^ *(\S.*?) +\d+ [KMG]iB +0x([0-9a-f]+) +0x([0-9a-f]+) +0x([0-9a-f]+)", re.MULTILINE)
"""A RAM block in ``info ramblock``: name, page size, offset, octets in use and in all."""
START_AGAIN: Final = "start QEMU with the command line of the machine that was saved, and -incoming defer"


@frozen
class LiveBlock:
    """A RAM block of a QEMU: octets in use, and what it can grow to."""

    used: int
    total: int

    def takes(self, size: int) -> bool:
        """Whether the block can have that size: one that can grow may have less too."""
        return size == self.used or (self.used != self.total and 0 < size <= self.total)


def check_waiting(monitor: Monitor) -> None:
    """Raise DomainError for a QEMU that does not wait for a state."""
    status = monitor.status()
    if status != WAITING:
        hint = "start it with -incoming defer"
        raise DomainError("QEMU waits for no state", file=monitor.name, expected=WAITING, got=status, hint=hint)


def check_machine(monitor: Monitor, machine: Machine) -> None:
    """Compare what MANIFEST tells with what QEMU has. Raises DomainError naming what differs."""
    if machine.hypervisor != HYPERVISOR:
        hint = "a machine of another hypervisor can be loaded where it came from, or read as it is"
        raise DomainError(
            "the image is of no QEMU machine", file=monitor.name, got=machine.hypervisor or "an unknown one", hint=hint
        )
    _same(monitor, "architecture", machine.architecture, str(monitor.execute("query-target")["arch"]))
    _same(monitor, "number of vCPUs", len(machine.vcpus), len(monitor.execute("query-cpus-fast")))
    _check_blocks(monitor, machine, live_blocks(monitor))


def check_type(monitor: Monitor, wanted: str) -> None:
    """Compare the machine type in a stream's configuration ("" where it has none). Raises DomainError."""
    if wanted:
        _same(monitor, "machine type", wanted, machine_type(monitor))


def live_blocks(monitor: Monitor) -> Mapping[str, LiveBlock]:
    """QEMU's RAM blocks by name."""
    rows = ROW.findall(monitor.human("info ramblock"))
    return {name: LiveBlock(int(used, 16), int(total, 16)) for name, _, used, total in rows}


def _check_blocks(monitor: Monitor, machine: Machine, live: Mapping[str, LiveBlock]) -> None:
    for block in machine.blocks:
        found = live.get(block.name)
        if found is None:
            names = ", ".join(live)[:200]
            message = f"QEMU has no RAM block {block.name!r}"
            raise DomainError(message, file=monitor.name, got=names, hint=START_AGAIN)
        if not found.takes(block.size):
            raise DomainError(
                f"QEMU's RAM block {block.name!r} has another size",
                file=monitor.name,
                expected=f"0x{block.size:x} octets",
                got=f"0x{found.used:x}",
                hint=START_AGAIN,
            )


def _same(monitor: Monitor, what: str, wanted: object, found: object) -> None:
    if wanted != found:
        message = f"QEMU has another {what} than the image"
        raise DomainError(message, file=monitor.name, expected=wanted, got=found, hint=START_AGAIN)
