"""The state of a guest that was found standing and is shared with files: taken without a migration, so that it stays.

QEMU writes its devices (``device_state``), RAM comes from its files, and what else the guest has mapped (ROMs, video
RAM) from QEMU's own memory. The rest of the stream is made: it is what a migration of the same machine would have.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from domctx.api import Machine, RamBlock
from domctx.states import BlockSource, DeviceSection, ForeignPart, PageBatch, PageKind
from domctx_qemu_stream import ends
from domctx_qemu_stream.blocks import WireBlock
from domctx_qemu_stream.domain import QemuDomain
from domctx_qemu_stream.kept import KeptStream
from domctx_qemu_stream.layout import MAGIC, RAM, RAM_BLOCKS, VERSION, Element
from domctx_qemu_stream.passing import listed
from domctx_qemu_stream.placement import main_blocks
from domctx_qemu_stream.ram import EMPTY
from domctx_qmp.describe import Region, memory_lines, regions
from domctx_qmp.host import Mapped, holding, host_address, mappings
from domctx_qmp.monitor import Monitor
from domctx_qmp.ram_file import RamFile

HEADER: Final = MAGIC + VERSION.to_bytes(4, "big")
MADE: Final = re.compile(r"/rom@.*|.*\.(rom|bios)", re.DOTALL)
"""Blocks that QEMU fills when it starts: ROMs, and what it tells the BIOS."""
USUAL: Final = 2
"""The id that QEMU 7.2 gives to the RAM section."""


class TakenStanding:
    """As ``TakenStream``; ``files`` hold blocks, those of ``files`` that it is given and those of private memory.

    A ROM that is neither shared nor mapped is absent.
    """

    def __init__(
        self, name: str, devices: bytes, told: Machine, files: Mapping[int, RamFile], private: Mapping[int, RamFile]
    ) -> None:
        self._files, self._private = {**private, **files}, private
        self._kept = _stream(name, devices, told)
        self.head = self.whole = QemuDomain(self._kept.opened(), lambda message: None)
        self.tail: Sequence[ForeignPart] = ()
        self.absent = [block.name for index, block in enumerate(told.blocks) if index not in self._files]
        """The blocks whose pages nothing tells."""

    @property
    def sections(self) -> Sequence[DeviceSection]:
        """The device sections, without descriptions: QEMU writes none of these."""
        return self.head.sections

    def sources(self, pages: int) -> Iterator[BlockSource | PageBatch]:
        """All pages; the arrays are valid until the next step. Raises DomainError."""
        for index, block in enumerate(self.head.blocks):
            if index in self._files:
                yield self._files[index].source(index)
            else:
                yield from _absent(index, block, pages)

    def close(self) -> None:
        """Give everything back that was opened here."""
        self.head.close()
        self._kept.close()
        for file in self._private.values():
            file.close()


def _absent(index: int, block: RamBlock, pages: int) -> Iterator[PageBatch]:
    nothing = np.empty((0, 1 << block.page_shift), np.uint8)
    for first in range(0, block.pages, pages):
        kinds = np.full(min(pages, block.pages - first), PageKind.ABSENT, np.uint8)
        yield PageBatch(index, first, kinds, nothing)


def described(name: str, devices: bytes, told: Machine) -> QemuDomain:
    """The machine with its devices as they are, and no memory; to be closed. Raises StreamError."""
    kept = _stream(name, devices, told)
    try:
        return QemuDomain(kept.opened(), lambda message: None)
    finally:
        kept.close()


def _stream(name: str, devices: bytes, told: Machine) -> KeptStream:
    """The stream that a migration would have, without pages and description."""
    kind = told.name.encode()
    configuration = bytes((Element.CONFIGURATION,)) + len(kind).to_bytes(4, "big") + kind
    footers, used = _look(name, devices)
    identity = USUAL if USUAL not in used else next(number for number in range(len(used) + 1) if number not in used)
    number, text = identity.to_bytes(4, "big"), RAM.encode()
    footer = ends.footer(identity) if footers else b""
    found = KeptStream(name)
    found.write(
        HEADER,
        configuration if footers else b"",
        bytes((Element.SECTION_START,))
        + number
        + bytes((len(text),))
        + text
        + bytes(4)
        + RAM_BLOCKS.to_bytes(4, "big"),
        listed([WireBlock(block.name, block.size) for block in told.blocks]),
        footer,
        bytes((Element.SECTION_END,)) + number + EMPTY,
        footer,
        devices,
    )
    return found


def has_footers(name: str, devices: bytes) -> bool:
    """Whether sections have footers: machine types that have those have a configuration as well (formats/qemu.md 1.8).

    Raises StreamError where the sections cannot be read.
    """
    return _look(name, devices)[0]


def _look(name: str, devices: bytes) -> tuple[bool, set[int]]:
    """Whether the sections have footers, and which ids they use. Raises StreamError where they cannot be read."""
    kept = KeptStream(name)
    try:
        kept.write(HEADER, devices)
        domain = QemuDomain(kept.opened(), lambda message: None)
        try:
            elements = domain.elements
            if elements.problem is not None:
                raise elements.problem
            return bool(elements.footers), {int.from_bytes(head[1:5], "big") for head in elements.heads}
        finally:
            domain.close()
    finally:
        kept.close()


def private_ram(
    monitor: Monitor, blocks: Sequence[RamBlock], shared: Mapping[int, RamFile]
) -> dict[int, RamFile] | None:
    """The blocks that are not ``shared`` but mapped for the guest, in QEMU's memory; None where one cannot be read.

    Of those that the guest has not mapped only ROMs can be left out: a video card keeps its memory meanwhile.
    """
    found: dict[int, RamFile] = {}
    shown, main = mappings(monitor.pid), set(main_blocks(blocks))
    tree = list(regions(memory_lines(monitor.human("info mtree -f"))))
    try:
        for index, block in enumerate(blocks):
            where = _places(block, tree)
            if index in shared or (not where and MADE.fullmatch(block.name)):
                continue
            unsure = not where or index in main or _is_shared_name(block, blocks)
            file = None if unsure else _private(monitor, block, where[0], shown)
            if file is None:
                raise LookupError
            found[index] = file
    except LookupError:
        for file in found.values():
            file.close()
        return None
    return found


def _places(block: RamBlock, tree: Sequence[Region]) -> list[Region]:
    """Where the block is mapped: its region has the last part of its name."""
    return [region for region in tree if block.name == region.name or block.name.endswith("/" + region.name)]


def _is_shared_name(block: RamBlock, blocks: Sequence[RamBlock]) -> bool:
    """Whether another block has a region of the same name, so that nobody knows which is which."""
    last = block.name.rpartition("/")[2]
    return sum(each.name.rpartition("/")[2] == last for each in blocks) > 1


def _private(monitor: Monitor, block: RamBlock, region: Region, shown: Sequence[Mapped]) -> RamFile | None:
    address = host_address(monitor, region.address)
    if address is None:
        return None
    return process_ram(monitor.pid, block, address - region.offset, shown)


def process_ram(pid: int, block: RamBlock, start: int, shown: Sequence[Mapped]) -> RamFile | None:
    """A block in QEMU's own memory, from ``start`` on; None where it is not all there, or may not be read."""
    if holding(shown, start, block.size) is None:
        return None
    try:
        descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    return RamFile(descriptor, start, block.size, f"RAM block {block.name!r}")
