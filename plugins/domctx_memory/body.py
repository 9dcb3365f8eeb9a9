"""Windows become bodies of MEMORY records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from domctx import schema
from domctx.api import Buffer
from domctx.values import frozen
from domctx_memory.codec import Frame, Packer, digest_of
from domctx_memory.gather import Window
from domctx_memory.layout import (
    FRAME_ALIGN,
    HEAD_COVERED,
    HEAD_SIZE,
    Codec,
    Coding,
    MemoryHead,
)

ZEROS: Final = bytes(FRAME_ALIGN)


@frozen(eq=False)
class Packed:
    """A window as it goes into a record; only the filler is still open."""

    window: Window
    head: MemoryHead
    columns: bytes
    frames: Sequence[Frame]

    def filler(self, offset: int) -> int:
        """Octets of filler for a body that begins ``offset`` octets into the image."""
        if self.head.codec != Codec.NONE or not self.frames:
            return 0
        return -(offset + HEAD_SIZE + len(self.columns)) % FRAME_ALIGN

    def parts(self, filler: int) -> Iterator[Buffer]:
        """The body, part by part."""
        covered = schema.encode(attrs.evolve(self.head, filler=filler))[:HEAD_COVERED]
        yield covered + digest_of(covered)
        yield self.columns
        yield ZEROS[:filler]
        yield from (frame.octets for frame in self.frames)

    def length(self, filler: int) -> int:
        """Octets of the body."""
        return HEAD_SIZE + len(self.columns) + filler + sum(len(frame.octets) for frame in self.frames)


def pack(window: Window, packer: Packer) -> Packed:
    """Pack a window; the work of it releases the GIL."""
    batch = window.batch
    fills = b"" if batch.fills is None else batch.fills.tobytes()
    frames = list(packer.frames(batch.pages, window.page_shift))
    kinds_coding, kinds = _coded(batch.kinds)
    types_coding, types = (Coding.NONE, b"") if batch.types is None else _coded(batch.types)
    table = b"".join(schema.encode(frame.entry) for frame in frames)
    columns = table + kinds + types + fills
    head = MemoryHead(
        block=batch.block,
        page_shift=window.page_shift,
        codec=packer.codec,
        kinds=kinds_coding,
        types=types_coding,
        first=batch.first,
        count=batch.count,
        data=len(batch.pages),
        fills=len(fills),
        filler=0,
        map_digest=digest_of(columns),
    )
    return Packed(window, head, columns, frames)


def _coded(column: NDArray[np.uint8]) -> tuple[Coding, bytes]:
    if (column == column[0]).all():
        return Coding.ALL, column[:1].tobytes()
    return Coding.EACH, column.tobytes()
