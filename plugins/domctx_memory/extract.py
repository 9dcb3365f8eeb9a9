"""``domctx extract FILE PART -o OUT``: memory, one RAM block or one device's octets, as a file."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click
import numpy as np
from numpy.typing import NDArray

from domctx.api import Domain
from domctx.cli import options
from domctx.cli.session import Session
from domctx.context import Operation, paused
from domctx.errors import UsageError
from domctx.files import put
from domctx.publish import publish, refuse_existing
from domctx.sinks import FileSink
from domctx.states import DEVICES, MEMORY, BlockSource, DeviceSection, Memory, PageBatch, PageKind
from domctx_memory.address import AddressMap, Extent, space_of
from domctx_memory.octets import pieces, runs
from domctx_memory.pages import fills_by_page
from domctx_memory.sources import batch_pages, in_batches, sources

STREAM: Final = "-"
LISTED: Final = 40
"""Device sections that an error lists."""
ZEROS: Final = bytes(1 << 20)


@click.command("extract")
@click.argument("file")
@click.argument("part", metavar="PART")
@click.option("-o", "--output", required=True, metavar="OUT", help='where to ("-": standard output)')
@options.given
@options.force
@options.allow_newer
@click.pass_obj
def command(
    session: Session, file: str, part: str, output: str, given: tuple[str, ...], force: bool, allow_newer: bool
) -> None:
    """Write PART of FILE to OUT as it is: memory, block:NAME or device:NAME[:INSTANCE].

    memory is a raw file, sparse, in which every octet stands at its guest-physical address; block:NAME one RAM block
    from its start on; device:NAME[:INSTANCE] the octets of one device section.
    """
    operation = session.operation(given, force=force, allow_newer=allow_newer)
    if output != STREAM:
        refuse_existing(Path(output), force=force)
    domain = session.open(file, given, operation)
    kind, _, name = part.partition(":")
    with contextlib.ExitStack() as opened:  # the file is published when its source is given back
        goal = opened.enter_context(publish(output, force=force)) if output != STREAM else None
        opened.enter_context(paused(domain))
        if kind == "device" and name:
            _extract_device(session, domain, name, goal, output)
        elif part == "memory" or (kind == "block" and name):
            _extract_memory(session, domain, name, goal, output, operation)
        else:
            raise UsageError(f"{part!r} is no part", hint="write memory, block:NAME or device:NAME[:INSTANCE]")


def _extract_memory(
    session: Session, domain: Domain, block: str, goal: io.FileIO | None, output: str, operation: Operation
) -> None:
    memory = session.registry.attach(domain).require(MEMORY)
    space = space_of(memory, block or None)
    if goal is None:
        with session.progress_of(operation, "extract", space.end):
            _stream(memory, space, session.stdout(), operation)
        return
    with session.progress_of(operation, "extract", sum(found.size for found in memory.blocks)):
        Scatter(goal, output, space).write(memory, operation)


def _stream(memory: Memory, space: AddressMap, descriptor: int, operation: Operation) -> None:
    """The whole address space in order; what is no RAM is zeros."""
    sink = FileSink(descriptor, "standard output")
    address = 0
    for extent in space.extents:
        for gap in range(address, extent.address, len(ZEROS)):
            sink.write(memoryview(ZEROS)[: extent.address - gap])
        for piece in pieces(memory, [extent]):
            sink.write(piece.octets.data)
            operation.progress(piece.octets.nbytes)
        address = extent.end
    sink.close()


class Scatter:
    """Writes pages to the places of an address space in a sparse file; pages of zeros stay holes."""

    def __init__(self, goal: io.FileIO, name: str, space: AddressMap) -> None:
        self._descriptor, self._name = goal.fileno(), name
        self._space = space
        self._reached: dict[int, int] = {}
        self._extents: dict[int, list[Extent]] = {}
        for extent in space.extents:
            self._extents.setdefault(extent.block, []).append(extent)

    def write(self, memory: Memory, operation: Operation) -> None:
        """Write all of ``memory`` that the address space holds. Raises DomainError; an OSError is the disk's."""
        os.ftruncate(self._descriptor, self._space.end)
        wanted = self._wanted(memory, operation)
        pages = batch_pages(memory.blocks)
        for batch in in_batches(wanted, memory.blocks, pages, operation.pool.map_ordered):
            shift = memory.blocks[batch.block].page_shift
            self._put(batch, shift)
            operation.progress(batch.count << shift)

    def _wanted(self, memory: Memory, operation: Operation) -> Iterator[BlockSource | PageBatch]:
        """What the address space holds something of."""
        for found in sources(memory):
            block = memory.blocks[found.block]
            if found.block in self._extents:
                yield found
            else:
                operation.progress(found.count << block.page_shift if isinstance(found, PageBatch) else block.size)

    def _put(self, batch: PageBatch, shift: int) -> None:
        """Write the contents of a batch where they belong: by one thread, since a file takes one write at a time."""
        reached = self._reached.get(batch.block, 0)
        again = batch.first < reached  # a later round of a live save: zeros replace octets
        self._reached[batch.block] = max(reached, batch.first + batch.count)
        row = 0
        for start, stop in runs(batch.kinds == PageKind.DATA):
            self._place(batch.block, (batch.first + start) << shift, batch.pages[row : row + stop - start].reshape(-1))
            row += stop - start
        octets = fills_by_page(batch.kinds, batch.fills)
        for start, stop in runs((octets != 0) | (again & (batch.kinds != PageKind.DATA))):
            self._place(batch.block, (batch.first + start) << shift, np.repeat(octets[start:stop], 1 << shift))

    def _place(self, block: int, offset: int, octets: NDArray[np.uint8]) -> None:
        for extent in self._extents[block]:
            low, high = max(offset, extent.offset), min(offset + len(octets), extent.offset + extent.length)
            if low < high:
                place = extent.address + low - extent.offset
                put(self._descriptor, place, octets[low - offset : high - offset].data, self._name)


def _extract_device(session: Session, domain: Domain, name: str, goal: io.FileIO | None, output: str) -> None:
    devices = session.registry.attach(domain).state(DEVICES)
    section = device_named(devices.sections if devices is not None else (), name)
    sink = FileSink(session.stdout(), "standard output") if goal is None else FileSink(goal.fileno(), output)
    sink.write(section.octets)
    sink.close()


def device_named(sections: Sequence[DeviceSection], text: str) -> DeviceSection:
    """The one section that ``NAME`` or ``NAME:INSTANCE`` means. Raises UsageError, listing the choices, for no one."""
    found = [section for section in sections if text in (section.name, f"{section.name}:{section.instance}")]
    if len(found) == 1:
        return found[0]
    choices = found or sections
    names = [f"{section.name}:{section.instance}" for section in choices]
    listed = ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
    message = f"{len(found)} device sections are called {text!r}" if found else f"there is no device section {text!r}"
    raise UsageError(message, hint=f"choose one of: {listed or 'none'}")
