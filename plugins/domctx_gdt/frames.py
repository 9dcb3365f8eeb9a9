"""A GDT's frames: checked, and translated between MFN and PFN.

The frames are stored densely: frame ``i`` holds entries 512 i .. 512 i + 511. The save and restore of 2004 stepped
through them by 512 (formats/xen.md 8, seed 000 bug 2), which left every frame but the first as an MFN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from domctx.errors import DomainError, RecordError
from domctx.states import GdtContext, PageType
from domctx_gdt.layout import MAX_FRAMES, GdtBody
from domctx_x86 import MAX_DESCRIPTORS, gdt_frame_count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def body_of(context: GdtContext) -> GdtBody:
    """The record's body of a GDT. Raises RecordError as ``check``."""
    check(context)
    unused = (0,) * (MAX_FRAMES - len(context.frames))
    return GdtBody(entries=context.entries, frames=(*context.frames, *unused))


def context_of(body: GdtBody) -> GdtContext:
    """The GDT in a record's body.

    Raises RecordError where it has more entries than a GDT can have, or names frames that its entries do not reach.
    """
    count = frame_count(body.entries)
    for index, frame in enumerate(body.frames[count:], count):
        if frame:
            raise RecordError(
                f"frames[{index}] is set, but the entries do not reach it",
                expected=f"{count} frames for 0x{body.entries:08x} entries",
                got=f"0x{frame:016x}",
            )
    return GdtContext(body.frames[:count], body.entries)


def frame_count(entries: int) -> int:
    """Frames of a GDT of ``entries`` descriptors: one for each 512 begun. Raises RecordError over 8192."""
    if entries > MAX_DESCRIPTORS:
        limit = f"at most 0x{MAX_DESCRIPTORS:08x}"
        raise RecordError("the GDT has too many entries", expected=limit, got=f"0x{entries:08x}")
    return gdt_frame_count(entries)


def check(context: GdtContext) -> None:
    """Raises RecordError unless the GDT has at most 8192 entries and one frame for each 512 begun."""
    count = frame_count(context.entries)
    if len(context.frames) != count:
        raise RecordError(
            "the GDT has the wrong number of frames",
            expected=f"{count} for 0x{context.entries:08x} entries",
            got=len(context.frames),
        )


def canonicalise(mfns: Sequence[int], entries: int, pfn_of: Callable[[int], int | None]) -> tuple[int, ...]:
    """The PFNs of a GDT's frames; of ``mfns`` (the 16 of a context, or just those that count) the rest is ignored.

    ``pfn_of`` gives None for a frame that is not the domain's. Raises DomainError for one, RecordError where there
    are too many entries or too few frames.
    """
    used = tuple(mfns[: frame_count(entries)])
    check(GdtContext(used, entries))
    return tuple(_pfn(index, mfn, pfn_of(mfn)) for index, mfn in enumerate(used))


def _pfn(index: int, mfn: int, pfn: int | None) -> int:
    if pfn is None:
        raise DomainError(f"GDT frame {index} is not a frame of the domain", got=f"MFN 0x{mfn:08x}")
    return pfn


def localise(
    pfns: Sequence[int],
    entries: int,
    mfn_of: Callable[[int], int],
    *,
    pages: int,
    types: Sequence[int] | NDArray[np.uint8],
) -> tuple[int, ...]:
    """The MFNs of a GDT's frames, for a domain of ``pages`` pages with page ``types`` (u8[pages]).

    Raises RecordError unless ``check`` holds and every frame is an ordinary page of the domain (formats/xen.md 1.8
    step 11).
    """
    check(GdtContext(tuple(pfns), entries))
    for index, pfn in enumerate(pfns):
        _check_page(index, pfn, pages, types)
    return tuple(mfn_of(pfn) for pfn in pfns)


def _check_page(index: int, pfn: int, pages: int, types: Sequence[int] | NDArray[np.uint8]) -> None:
    if pfn >= pages:
        limit = f"a PFN below 0x{pages:08x}"
        raise RecordError(f"GDT frame {index} lies outside the domain's memory", expected=limit, got=f"0x{pfn:08x}")
    found = int(types[pfn]) & ~PageType.PINNED
    if found != PageType.NOTAB:
        wanted = f"page type 0x00 (NOTAB) at PFN 0x{pfn:08x}"
        raise RecordError(f"GDT frame {index} has the wrong page type", expected=wanted, got=f"0x{found:02x}")
