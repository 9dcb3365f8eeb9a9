"""Raw memory files: every octet stands at its guest-physical address, and nothing else is told."""

from __future__ import annotations

from typing import Final

import numpy as np

from domctx.api import Domain, FormatContext, Machine, Placement, RamBlock, Sink
from domctx.file_domain import FileDomain
from domctx.files import RandomFile, open_at_random
from domctx.states import MEMORY
from domctx_elf.layout import RAW
from domctx_elf.memory import PAGE_SHIFT, CoreMemory, Runs
from domctx_elf.segments import Load
from domctx_elf.writer import put, settled, tell
from domctx_memory.address import AddressMap

BLOCK: Final = "ram"
ZEROS: Final = bytes(1 << 20)


class RawDomain(FileDomain):
    """A file as the memory of a machine of which nothing is known."""

    scheme = RAW

    def __init__(self, file: RandomFile) -> None:
        self.location = file.name
        self._file = file
        places = (Placement(0, 0, file.size),) if file.size else ()
        block = RamBlock(BLOCK, file.size, PAGE_SHIFT, places)
        size, zero = np.array([file.size], np.int64), np.zeros(1, np.int64)
        self.machine = Machine(name="", architecture="", blocks=(block,))
        self.states = {MEMORY: CoreMemory(file, [block], [Runs(zero, size, zero, size)])}

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_domain(path: str, context: FormatContext) -> RawDomain:
    """Open a file. Raises DomctxError where it cannot be read at random."""
    return RawDomain(RandomFile(open_at_random(path, RAW), path))


def write(source: Domain, sink: Sink, context: FormatContext) -> None:
    """The memory from address 0 on; what is no RAM is zeros. Raises DomainError where there is no memory."""
    memory = settled(source, context)
    extents = AddressMap.of_machine(memory.blocks).extents
    found = [Load(extent) for extent in extents]
    blocks = {load.extent.block for load in found}
    names = [block.name for index, block in enumerate(memory.blocks) if index not in blocks and block.size]
    tell(names, context)
    address = 0
    for load in found:
        for gap in range(address, load.address, len(ZEROS)):
            sink.write(memoryview(ZEROS)[: load.address - gap])
        put(memory, [load], sink, context)
        address = load.address + load.length
