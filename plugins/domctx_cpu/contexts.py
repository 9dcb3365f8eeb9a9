"""vCPU contexts as objects: the record's body and the state's octets, the GDT fields taken out and put back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from domctx.errors import DomainError, RecordError, UnsupportedError
from domctx.schema import decode, encode, size_of
from domctx.states import GdtContext, VcpuContext
from domctx_cpu.layout import ABI_NAMES, XEN_2004_I386, CpuBody, FullExecutionContext, abi_named, abi_of
from domctx_x86 import MAX_DESCRIPTORS, gdt_frame_count

if TYPE_CHECKING:
    from domctx_cpu.xen_layout import VcpuGuestContext32, VcpuGuestContext64

    C = TypeVar("C", FullExecutionContext, VcpuGuestContext32, VcpuGuestContext64)
    """A context of any ABI."""

NO_FRAMES = (0,) * 16
"""``gdt_frames`` of a context whose GDT another record owns."""


def body_of(context: VcpuContext) -> CpuBody:
    """The record's body of a context.

    Raises DomainError for an ABI that no record can hold, RecordError for octets that ``decode_context`` refuses.
    """
    abi = abi_named(context.abi)
    if abi is None:
        known = ", ".join(ABI_NAMES.values())
        hint = "domctx registers shows the registers of any machine's vCPUs"
        raise DomainError("no CPU record holds contexts of this ABI", expected=known, got=repr(context.abi), hint=hint)
    decode_context(context)
    return CpuBody(abi=abi.code, octets=context.octets)


def context_of(body: CpuBody) -> VcpuContext:
    """The context in a record's body.

    Raises UnsupportedError for an ABI that is not known, RecordError for octets that ``decode_context`` refuses.
    """
    abi = abi_of(body.abi)
    if abi is None:
        known = ", ".join(f"0x{code:08x} {name}" for code, name in ABI_NAMES.items())
        raise UnsupportedError("a vCPU context of an unknown ABI", expected=known, got=f"0x{body.abi:08x}")
    context = VcpuContext(abi.name, body.octets)
    decode_context(context)
    return context


def decode_context(context: VcpuContext) -> Any:
    """The context as an object of its ABI's layout: ``FullExecutionContext`` or one of ``xen_layout``.

    Raises RecordError where the octets are not exactly of its length or its GDT fields are not zero (the GDT record
    owns them: state is stored once); DomainError where the ABI is not known.
    """
    found = decode_whole(context)
    _check_gdt(found)
    return found


def decode_whole(context: VcpuContext) -> Any:
    """The same for a context whose GDT fields are still in it. Raises as ``decode_context``."""
    abi = abi_named(context.abi)
    if abi is None:
        raise DomainError("a vCPU context of an unknown ABI", got=repr(context.abi))
    if len(context.octets) != size_of(abi.layout):
        size = f"0x{size_of(abi.layout):08x} octets"
        raise RecordError(f"a context of {abi.name} has one length", expected=size, got=f"0x{len(context.octets):08x}")
    return decode(abi.layout, context.octets)


def _check_gdt(context: Any) -> None:
    if context.gdt_ents:
        raise _owned("gdt_ents", context.gdt_ents)
    for index, frame in enumerate(context.gdt_frames):
        if frame:
            raise _owned(f"gdt_frames[{index}]", frame)


def _owned(field: str, value: int) -> RecordError:
    return RecordError(f"{field} belongs to the GDT record", expected="0x00000000", got=f"0x{value:08x}")


def vcpu_context(context: FullExecutionContext) -> VcpuContext:
    """The state of a context: its octets with the GDT fields zero. It must be canonical already."""
    return VcpuContext(XEN_2004_I386, encode(without_gdt(context)))


def split(context: VcpuContext) -> tuple[VcpuContext, GdtContext]:
    """A context as its source has it, canonical but with its GDT in it, as the states that are kept of it.

    Raises DomainError and RecordError as ``decode_whole``, RecordError for more than 8192 entries or for a frame that
    the entries do not reach.
    """
    found = decode_whole(context)
    if found.gdt_ents > MAX_DESCRIPTORS:
        limit = f"gdt_ents at most 0x{MAX_DESCRIPTORS:08x}"
        raise RecordError("the GDT has too many entries", expected=limit, got=f"0x{found.gdt_ents:08x}")
    count = gdt_frame_count(found.gdt_ents)
    for index, frame in enumerate(found.gdt_frames[count:], count):
        if frame:
            expected = f"{count} frames for 0x{found.gdt_ents:08x} entries"
            raise RecordError(
                f"gdt_frames[{index}] is set, but the entries do not reach it", expected=expected, got=f"0x{frame:08x}"
            )
    gdt = GdtContext(tuple(found.gdt_frames[:count]), found.gdt_ents)
    return VcpuContext(context.abi, encode(without_gdt(found))), gdt


def join(context: VcpuContext, gdt: GdtContext) -> VcpuContext:
    """The context as its source has it, out of the states that ``split`` made.

    Raises as ``decode_context``, and RecordError where the GDT has a frame that the context's field cannot hold, or
    more than 16.
    """
    found = decode_context(context)
    if len(gdt.frames) > len(NO_FRAMES):
        raise RecordError("a vCPU context has no room for the GDT's frames", expected="at most 16", got=len(gdt.frames))
    return VcpuContext(context.abi, encode(with_gdt(found, gdt.frames, gdt.entries)))


def without_gdt(context: C) -> C:
    """The context with its GDT fields zero."""
    return attrs.evolve(context, gdt_frames=NO_FRAMES, gdt_ents=0)


def with_gdt(context: C, frames: Sequence[int], entries: int) -> C:
    """The context with a GDT of ``entries`` descriptors in ``frames``, at most 16; the rest of ``gdt_frames`` zero."""
    return attrs.evolve(context, gdt_frames=(*frames, *NO_FRAMES[len(frames) :]), gdt_ents=entries)
