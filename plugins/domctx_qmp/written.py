"""Guest memory of a waiting QEMU that can be written where it is: its pages are not in QEMU's stream.

It is written through the file that QEMU shares it with; what only QEMU has, through ``/proc/PID/mem``, where the kernel
lets this process (ptrace(2): the superuser, who started QEMU, or its user where the system does not restrict that).
QEMU leaves pages as they are that its stream does not mention (formats/qemu.md 10), so it needs no capability for that.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import attrs
import numpy as np

from domctx.api import Placement, RamBlock
from domctx.errors import DomainError
from domctx.files import put
from domctx.states import PageBatch, PageKind
from domctx.values import frozen
from domctx_qmp.describe import machine_type, ram_blocks
from domctx_qmp.host import Mapped, block_start, holding, mappings
from domctx_qmp.shared import shared_ram
from domctx_qmp.touched import touched_pages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from domctx_qmp.monitor import Monitor

PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 1 << PAGE_SHIFT
ZEROS: Final = 256
"""Pages of zeros that are written at once."""


@frozen(eq=False)
class WrittenRam:
    """The blocks that can be written, by number."""

    files: dict[int, WrittenFile] = attrs.field(factory=dict)

    def store(self, batch: PageBatch) -> bool:
        """Write a batch, where its block can be; whether it was. Raises DomainError."""
        file = self.files.get(batch.block)
        if file is not None:
            file.store(batch)
        return file is not None

    def close(self) -> None:
        """Close the files."""
        for file in self.files.values():
            file.close()
        self.files.clear()


class WrittenFile:
    """One block's memory, ``offset`` octets into a file whose descriptor it owns; ``name`` is for messages.

    Threads may share it as long as they write different pages.
    """

    def __init__(self, descriptor: int, offset: int, name: str, filled: NDArray[np.bool_]) -> None:
        """``filled`` tells of each page whether the file has octets there: only these need zeros written."""
        self._descriptor, self._offset, self._name, self._filled = descriptor, offset, name, filled

    def store(self, batch: PageBatch) -> None:
        """Write a batch. Raises DomainError for pages outside of the block, or without contents, or of a full disk."""
        pages = len(self._filled)
        if batch.first < 0 or batch.first + batch.count > pages:
            got = f"0x{batch.first:x} + 0x{batch.count:x}"
            raise DomainError(f"pages outside of {self._name}", expected=f"below 0x{pages:x}", got=got)
        row = fill = 0
        for start, count, kind in _runs(batch.kinds):
            first = batch.first + start
            if kind == PageKind.DATA:
                self._put(first, batch.pages[row : row + count])
                row += count
            elif kind == PageKind.ZERO:
                self._clear(first, count)
            elif kind == PageKind.FILL:
                assert batch.fills is not None  # whoever tells of them gives them
                self._put(first, np.repeat(batch.fills[fill : fill + count], PAGE_SIZE))
                fill += count
            else:
                raise DomainError(f"page 0x{first:x} of {self._name} has no contents: QEMU's RAM is whole")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _clear(self, first: int, count: int) -> None:
        """Zeros where there may be anything else."""
        for start, number, filled in _runs(self._filled[first : first + count].view(np.uint8)):
            for at in range(first + start, first + start + number, ZEROS) if filled else ():
                self._put(at, np.zeros(min(ZEROS, first + start + number - at) << PAGE_SHIFT, np.uint8))

    def _put(self, first: int, octets: NDArray[np.uint8]) -> None:
        self._filled[first : first + (octets.nbytes >> PAGE_SHIFT)] = True
        put(self._descriptor, self._offset + (first << PAGE_SHIFT), octets.data, self._name)


def written_ram(monitor: Monitor, blocks: Sequence[RamBlock]) -> WrittenRam:
    """The blocks of a waiting QEMU that can be written; others go through its stream.

    They are written where it has them itself: an image may know less of that than QEMU does. Raises DomainError where
    QEMU does not answer.
    """
    live = {block.name: block for block in ram_blocks(monitor, machine_type(monitor))}
    blocks = [attrs.evolve(block, placements=_places(block, live.get(block.name))) for block in blocks]
    found, shared = WrittenRam(), shared_ram(monitor, blocks)
    try:
        for index, file in shared.files.items():
            with contextlib.suppress(OSError):
                descriptor = os.open(f"/proc/self/fd/{file.descriptor}", os.O_WRONLY | os.O_CLOEXEC)
                found.files[index] = WrittenFile(descriptor, file.offset, file.name, file.filled())
        shown = mappings(monitor.pid)
        for index, block in enumerate(blocks):
            own = _own(monitor, block, shown) if index not in shared.files else None
            if own is not None:
                found.files[index] = own
    except BaseException:
        found.close()
        raise
    finally:
        shared.close()
    return found


def _places(block: RamBlock, live: RamBlock | None) -> tuple[Placement, ...]:
    """Where QEMU has the block; none where it has it in another size."""
    return live.placements if live is not None and live.size == block.size else ()


def _own(monitor: Monitor, block: RamBlock, shown: Sequence[Mapped]) -> WrittenFile | None:
    """A block that only QEMU has; None where it is not in one piece, or may not be written."""
    start = block_start(monitor, block)
    mapped = holding(shown, start, block.size) if start is not None else None
    if start is None or mapped is None or mapped.shared:
        return None
    filled = touched_pages(monitor.pid, mapped, start, block.size)
    try:
        descriptor = os.open(f"/proc/{monitor.pid}/mem", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return None
    return WrittenFile(descriptor, start, f"RAM block {block.name!r}", filled)


def _runs(kinds: NDArray[np.uint8]) -> Iterator[tuple[int, int, int]]:
    """Runs of equal values: (first, how many, value)."""
    edges = np.flatnonzero(np.diff(kinds)) + 1
    starts = [0, *edges.tolist()] if len(kinds) else []
    stops = [*edges.tolist(), len(kinds)]
    for start, stop in zip(starts, stops, strict=False):
        yield start, stop - start, int(kinds[start])
