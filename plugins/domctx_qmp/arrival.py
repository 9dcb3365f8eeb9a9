"""The states of a machine on its way into a QEMU: each is put into the stream as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import attrs

from domctx.api import RamBlock
from domctx.errors import DomainError, DomctxError
from domctx.states import DeviceSection, ForeignPart, PageBatch, PageKind
from domctx.values import frozen
from domctx_qemu_stream.compose import Composer
from domctx_qmp.written import WrittenRam


class Stream(Protocol):
    """What is composed while states arrive."""

    blocks: Sequence[RamBlock]

    @property
    def written(self) -> WrittenRam:
        """The blocks that are written where QEMU has them, and not into the stream."""

    @property
    def composer(self) -> Composer:
        """The composer; QEMU begins to load when it is first asked for."""

    def why(self, error: DomctxError) -> DomctxError:
        """The error itself, or why QEMU has ended, where that is the reason for it."""


@frozen(eq=False)
class ArrivingMemory:
    """MEMORY whose pages go on at once; they cannot be read again."""

    _stream: Stream

    @property
    def blocks(self) -> Sequence[RamBlock]:
        """The blocks of the image."""
        return self._stream.blocks

    def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
        """Raises DomainError."""
        raise DomainError("the pages of a QEMU that is being loaded cannot be read")

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """Raises DomainError."""
        raise DomainError("the pages of a QEMU that is being loaded cannot be read")

    def store(self, batch: PageBatch) -> None:
        """Send a batch, or write it. Raises DomainError where it does not fit, or QEMU takes no more."""
        composer = self._stream.composer
        if not (self._is_qemus_own(batch) or self._write(batch)):
            composer.pages(batch)

    def placer(self) -> Callable[[PageBatch], bool]:
        """What writes the blocks that need not be sent; QEMU has begun to load then."""
        _ = self._stream.composer
        return self._write

    def _write(self, batch: PageBatch) -> bool:
        try:
            return self._stream.written.store(batch)
        except DomainError as error:
            raise self._stream.why(error) from error

    def _is_qemus_own(self, batch: PageBatch) -> bool:
        """Whether the pages are absent, of a block that no guest sees: QEMU makes it when it starts.

        Not so of a stream that left out shared memory: pages that are absent there are lost.
        """
        if self._stream.composer.shares or not 0 <= batch.block < len(self.blocks):
            return False
        return not self.blocks[batch.block].placements and bool((batch.kinds == PageKind.ABSENT).all())


class ArrivingDevices:
    """DEVICES whose sections go on at once; which they were is kept without their octets."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @property
    def sections(self) -> Sequence[DeviceSection]:
        """None: they are sent, and not kept."""
        return ()

    def store(self, section: DeviceSection) -> None:
        """Send a section; a guest that ran does not run before everything is right."""
        self._stream.composer.device(standing(section))


class ArrivingTail:
    """FOREIGN_TAIL whose parts go on at once."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @property
    def parts(self) -> Sequence[ForeignPart]:
        """None: they are sent, and not kept."""
        return ()

    def store(self, part: ForeignPart) -> None:
        """Send a part."""
        self._stream.composer.tail(part)


GLOBAL_STATE = "globalstate"
RUNNING, PAUSED = b"running\0", b"paused\0"
COUNT, NAME = 4, 100
"""Octets of the length, and of the name, of a run state in its section (formats/qemu.md 1.8)."""


def standing(section: DeviceSection) -> DeviceSection:
    """The section itself; of the run state of a guest that ran, one that has QEMU keep it paused until ``cont``."""
    name = section.octets[COUNT:]
    if section.name != GLOBAL_STATE or len(name) != NAME or not name.startswith(RUNNING):
        return section
    octets = len(PAUSED).to_bytes(COUNT, "big") + PAUSED.ljust(NAME, b"\0")
    return attrs.evolve(section, octets=octets)
