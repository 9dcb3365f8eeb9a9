"""What can be seen of a live QEMU while its guest goes on: RAM at random, and its devices at one moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from domctx.api import Machine, RamBlock
from domctx.errors import DomainError
from domctx.states import DeviceSection, ForeignPart, PageBatch
from domctx_qemu_stream.domain import QemuDomain
from domctx_qmp.device_state import device_state
from domctx_qmp.host import host_address, mappings
from domctx_qmp.monitor import Monitor
from domctx_qmp.ram_file import RamFile
from domctx_qmp.standing import described, process_ram

P = TypeVar("P")


class Looking:
    """Reads a machine that nobody paused. Raises DomainError where QEMU's memory may not be read."""

    def __init__(self, monitor: Monitor, machine: Machine) -> None:
        self._monitor, self._machine = monitor, machine
        self._files: dict[int, RamFile] = {}

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """Pages of a block that the guest has mapped, as they are now."""
        blocks = self._machine.blocks
        if not 0 <= block < len(blocks):
            raise DomainError("there is no such RAM block", expected=f"below {len(blocks)}", got=block)
        pages = blocks[block].pages
        if first < 0 or count < 0 or first + count > pages:
            expected, got = f"pages below 0x{pages:x}", f"0x{first:x} + 0x{count:x}"
            raise DomainError("there are no such pages", file=self._monitor.name, expected=expected, got=got)
        if block not in self._files:
            self._files[block] = self._opened(blocks[block])
        return self._files[block].read(block, first, count)

    def sections(self) -> Sequence[DeviceSection]:
        """The device sections; QEMU stops the guest for the moment in which it writes them."""
        return self._described(lambda domain: domain.sections)

    def head_parts(self) -> Sequence[ForeignPart]:
        """What stands before memory in a stream of the machine."""
        return self._described(lambda domain: list(domain.head_parts()))

    def _described(self, look: Callable[[QemuDomain], Sequence[P]]) -> Sequence[P]:
        devices = device_state(self._monitor, lambda number: None)
        domain = described(self._monitor.name, devices, self._machine)
        try:
            return look(domain)
        finally:
            domain.close()

    def close(self) -> None:
        """Close what was opened."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _opened(self, block: RamBlock) -> RamFile:
        for place in block.placements:
            address = host_address(self._monitor, place.address)
            if address is not None:
                found = process_ram(self._monitor.pid, block, address - place.offset, mappings(self._monitor.pid))
                if found is not None:
                    return found
        raise DomainError(
            f"the pages of RAM block {block.name!r} cannot be read while QEMU runs",
            file=self._monitor.name,
            hint="save the machine, and read the image; or read it as the user that QEMU runs as, on the same host",
        )
