"""The GDT record's body (formats/xen.md 1.4 and 8, seed 000 bug 2)."""

from typing import Annotated, Final

from domctx.schema import U32, U64, Array, Reserved, layout
from domctx.values import frozen

MAX_FRAMES: Final = 16
"""Frames of a GDT of 8192 entries, the largest that the processor knows."""


@layout(source="DESIGN.md section 4: GDT")
@frozen(kw_only=True)
class GdtBody:
    """The body of a GDT record; its instance is the vCPU id.

    Frame ``i`` holds entries 512 i .. 512 i + 511; there is one for each 512 entries begun, and the rest of
    ``frames`` is zero.
    """

    entries: Annotated[int, U32("entries, at most 8192; 0: the hypervisor's own GDT", unit="descriptors of 8 octets")]
    reserved: Annotated[bytes, Reserved(4)] = bytes(4)
    frames: Annotated[tuple[int, ...], Array(U64("a frame", unit="PFN"), MAX_FRAMES, "the frames, dense")]
