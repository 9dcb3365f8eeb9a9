"""Stream readers and writers that show what a handler must not depend on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from domctx.api import Buffer, Source
from domctx.stream import StreamReader, StreamWriter
from domctx.wire import Header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ForgetfulReader(StreamReader):
    """Wipes what it gave out when the next octets are asked for: a view is valid until then.

    Batches come in pieces of one to three records.
    """

    def __init__(self, source: Source, names: Mapping[int, str] | None = None) -> None:
        super().__init__(source, names=names)
        self._given = bytearray()

    def data(self, size: int) -> memoryview:
        """As the real one, in a buffer that is wiped at the next call."""
        octets = bytearray(super().data(size))
        self._wipe(octets)
        return memoryview(octets).toreadonly()

    def batches(self, header: Header) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint8]]]:
        """As the real one, cut into pieces that are wiped at the next step."""
        counts = itertools.cycle((1, 3, 2))
        for instances, bodies in super().batches(header):
            start = 0
            while start < len(instances):
                count = next(counts)
                numbers, rows = instances[start : start + count].copy(), bodies[start : start + count].copy()
                yield numbers, rows
                numbers[:], rows[:] = 0xA5A5_A5A5, 0xA5
                start += count

    def begin(self) -> Header | None:
        """As the real one; what was given of the last record is wiped."""
        self._wipe(bytearray())
        return super().begin()

    def _wipe(self, following: bytearray) -> None:
        self._given[:] = bytes([0xA5]) * len(self._given)
        self._given = following


class CuttingWriter(StreamWriter):
    """Cuts every piece of a body into many: how the calls are cut never shows in the stream."""

    def data(self, data: Buffer) -> None:
        """As the real one, in pieces of 1, 2, 4, ... octets, with empty ones between."""
        octets = bytes(memoryview(data).cast("B"))
        start, size = 0, 1
        super().data(b"")
        while start < len(octets):
            super().data(octets[start : start + size])
            super().data(b"")
            start, size = start + size, 2 * size
