"""What Xen knows of every frame: owner, type, counts, flags; and the machine-to-physical table (M2P).

The columns are arrays over all frames, kept in one sparse file and mapped privately: what is changed is written
back by ``save`` alone.
Source of the rules of counting: xen/include/xen/mm.h at 8babea8308, struct pfn_info.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domctx.errors import DomainError
from domctx.files import put
from domctx.publish import publish, refused
from domctx.states import PageType
from domctx_sim import idle
from domctx_sim.arrays import Mask, Numbers, Pages
from domctx_sim.layout import MAX_FRAMES

NAME: Final = "frame_table"
"""The file's name in a machine's folder."""

NOBODY: Final = 0
"""The owner of a free frame. Domains have ids from 1 on; dom0 owns nothing here."""
XEN: Final = 0xFFFF
"""The owner of Xen's own frames."""
HEAP_FRAMES: Final = 256
"""Frames from 0 on that are Xen's heap: shared-info and per-domain frames come from there."""
GROUP: Final = 1024
"""Frames are given out by groups of 4 MiB in random order, and at random inside a group."""
NO_PFN: Final = 0xFFFF_FFFF
"""What M2P holds for a frame that is no page of a domain."""


class FrameType(enum.IntEnum):
    """What a frame is used as; the uses exclude each other (mm.h at 8babea8308, PGT_*).

    A page table's number is its level.
    """

    NONE = 0
    L1_TABLE = 1
    L2_TABLE = 2
    L3_TABLE = 3
    L4_TABLE = 4
    GDT = 5
    LDT = 6
    WRITABLE = 7


class FrameFlag(enum.IntFlag):
    """Flags of a frame (mm.h at 8babea8308, PGC_* and PGT_validated)."""

    ALLOCATED = 1
    """It is one of its owner's pages."""
    PINNED = 2
    """Its owner pinned it to its type."""
    VALIDATED = 4
    """Its contents were checked for its type, and the references that they make are counted."""


_COLUMNS: Final[tuple[tuple[str, np.dtype[Any]], ...]] = (
    ("owner", np.dtype("<u2")),
    ("type", np.dtype("u1")),
    ("flags", np.dtype("u1")),
    ("type_count", np.dtype("<u4")),
    ("count", np.dtype("<u4")),
    ("m2p", np.dtype("<u4")),
)
ROW: Final = sum(dtype.itemsize for _, dtype in _COLUMNS)
"""Octets that the file has for a frame."""
TABLES: Final = (FrameType.L1_TABLE, FrameType.L2_TABLE, FrameType.L3_TABLE, FrameType.L4_TABLE)
_CHUNK: Final = 1 << 16


class FrameTable:
    """The columns, each an array over all frames; ``m2p`` is kept inverted in the file, so that holes say NO_PFN."""

    owner: NDArray[np.uint16]
    type: NDArray[np.uint8]
    flags: NDArray[np.uint8]
    type_count: NDArray[np.uint32]
    count: NDArray[np.uint32]
    m2p: NDArray[np.uint32]

    def __init__(self, folder: Path, frames: int = MAX_FRAMES) -> None:
        """Load the columns; a folder without the file has only Xen's heap. Raises DomainError where it is not whole."""
        self._path = folder / NAME
        self.frames = frames
        for name, column in self._load().items():
            setattr(self, name, column)
        self.m2p = ~self.m2p
        self.owner[:HEAP_FRAMES][self.owner[:HEAP_FRAMES] == NOBODY] = XEN
        self.count[: idle.FRAMES] = 1

    def _load(self) -> dict[str, Pages]:
        if not self._path.exists():
            return {name: np.zeros(self.frames, dtype) for name, dtype in _COLUMNS}
        try:
            size = self._path.stat().st_size
            if size != self.frames * ROW:
                expected = self.frames * ROW
                raise DomainError(
                    "the frame table has the wrong size", file=str(self._path), expected=expected, got=size
                )
            octets = np.memmap(self._path, np.uint8, "c")
        except OSError as error:
            raise refused(error, self._path) from error
        ends = np.cumsum([self.frames * dtype.itemsize for _, dtype in _COLUMNS]).tolist()
        return {
            name: octets[end - self.frames * dtype.itemsize : end].view(dtype)
            for (name, dtype), end in zip(_COLUMNS, ends, strict=True)
        }

    def save(self) -> None:
        """Write the columns to a new file that takes the old one's place, with holes for zeros. Raises DomainError."""
        columns: list[Pages] = [self.owner, self.type, self.flags, self.type_count, self.count, ~self.m2p]
        with publish(self._path, force=True) as file:
            file.truncate(self.frames * ROW)
            offset = 0
            for column in columns:
                chunks = np.ascontiguousarray(column).view(np.uint8).reshape(-1, _CHUNK)
                for index in np.flatnonzero(chunks.any(axis=1)).tolist():
                    put(file.fileno(), offset + index * _CHUNK, chunks[index].data, self._path)
                offset += chunks.size

    def inside(self, mfns: Numbers) -> Numbers:
        """The frames, with frame 0, which is Xen's, in place of those that the machine does not have."""
        known: Numbers = np.where(mfns < self.frames, mfns, mfns.dtype.type(0))
        return known

    def has(self, mfns: Numbers, flag: FrameFlag) -> Mask:
        """Which frames have a flag."""
        found: Mask = (self.flags[mfns] & np.uint8(flag)) != 0
        return found

    def set(self, mfns: Numbers, flag: FrameFlag) -> None:
        """Give frames a flag."""
        self.flags[mfns] |= np.uint8(flag)

    def clear(self, mfns: Numbers, flag: FrameFlag) -> None:
        """Take a flag from frames."""
        self.flags[mfns] &= ~np.uint8(flag)

    def free(self) -> Numbers:
        """The frames that nobody owns, ascending."""
        return np.flatnonzero(self.owner == NOBODY)

    def owned(self, domain: int) -> Numbers:
        """The domain's pages by ascending MFN; a heap frame that Xen shares with it is not one of them."""
        return np.flatnonzero((self.owner == domain) & ((self.flags & np.uint8(FrameFlag.ALLOCATED)) != 0))

    def page_types(self, mfns: Numbers) -> NDArray[np.uint8]:
        """What frames are used as: u8[n] of PageType, with PINNED where their owner pinned them."""
        use = self.type[mfns]
        table = (self.type_count[mfns] != 0) & np.isin(use, TABLES)
        pinned = np.where(self.has(mfns, FrameFlag.PINNED), np.uint8(PageType.PINNED), np.uint8(0))
        return np.where(table, use | pinned, np.uint8(PageType.NOTAB))

    def allocate(self, domain: int, pages: int, random: np.random.Generator) -> Numbers:
        """Give ``pages`` scattered frames to a domain; returns them in the order of its page list.

        Raises DomainError where too few are free.
        """
        free = self.free()
        if pages > len(free):
            raise DomainError("the machine has too few free frames", expected=f"0x{pages:x}", got=f"0x{len(free):x}")
        groups = len(free) // GROUP
        needed = -(-pages // GROUP)
        if needed <= groups:
            chosen = random.permutation(groups)[:needed]
            scattered = random.permuted(free[: groups * GROUP].reshape(groups, GROUP)[chosen], axis=1).reshape(-1)
        else:
            scattered = random.permutation(free)
        frames = scattered[:pages]
        self.owner[frames] = domain
        self.flags[frames] = FrameFlag.ALLOCATED
        self.count[frames] = 1
        return frames

    def share(self, domain: int) -> int:
        """Take a frame of Xen's heap and share it with a domain, writable: its shared-info frame.

        Raises DomainError where the heap is used up.
        """
        free = np.flatnonzero((self.owner[:HEAP_FRAMES] == XEN) & (self.count[:HEAP_FRAMES] == 0))
        if not len(free):
            raise DomainError("Xen's heap is used up")
        frame = int(free[-1])
        self.owner[frame] = domain
        self.type[frame] = FrameType.WRITABLE
        self.flags[frame] = FrameFlag.VALIDATED
        self.type_count[frame] = self.count[frame] = 1
        return frame

    def release(self, domain: int) -> None:
        """Free all that a domain owns."""
        frames = np.flatnonzero(self.owner == domain)
        self.owner[frames] = np.where(frames < HEAP_FRAMES, XEN, NOBODY)
        for column in (self.type, self.flags, self.type_count, self.count):
            column[frames] = 0
        self.m2p[frames] = NO_PFN
