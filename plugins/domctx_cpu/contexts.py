"""vCPU contexts as objects: the record's body and the state's octets, the GDT fields taken out and put back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from domctx.errors import DomainError, RecordError, UnsupportedError
from domctx.schema import decode, encode, size_of
from domctx.states import VcpuContext
from domctx_cpu.layout import ABI_NAMES, XEN_2004_I386, CpuBody, FullExecutionContext, abi_named, abi_of

NO_FRAMES = (0,) * 16
"""``gdt_frames`` of a context whose GDT another record owns."""


def body_of(context: VcpuContext) -> CpuBody:
    """The record's body of a context.

    Raises DomainError for an ABI that no record can hold, RecordError for octets that ``decode_context`` refuses.
    """
    abi = abi_named(context.abi)
    if abi is None:
        known = ", ".join(ABI_NAMES.values())
        raise DomainError("no CPU record holds contexts of this ABI", expected=known, got=repr(context.abi))
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
    """The context as an object of its ABI's layout (``FullExecutionContext`` for ``xen-2004-i386``).

    Raises RecordError where the octets are not exactly of its length or its GDT fields are not zero (the GDT record
    owns them: state is stored once); DomainError where the ABI is not known.
    """
    abi = abi_named(context.abi)
    if abi is None:
        raise DomainError("a vCPU context of an unknown ABI", got=repr(context.abi))
    if len(context.octets) != size_of(abi.layout):
        size = f"0x{size_of(abi.layout):08x} octets"
        raise RecordError(f"a context of {abi.name} has one length", expected=size, got=f"0x{len(context.octets):08x}")
    found = decode(abi.layout, context.octets)
    _check_gdt(found)
    return found


def _check_gdt(context: FullExecutionContext) -> None:
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


def without_gdt(context: FullExecutionContext) -> FullExecutionContext:
    """The context with its GDT fields zero."""
    return attrs.evolve(context, gdt_frames=NO_FRAMES, gdt_ents=0)


def with_gdt(context: FullExecutionContext, frames: Sequence[int], entries: int) -> FullExecutionContext:
    """The context with a GDT of ``entries`` descriptors in ``frames``, at most 16; the rest of ``gdt_frames`` zero."""
    return attrs.evolve(context, gdt_frames=(*frames, *NO_FRAMES[len(frames) :]), gdt_ents=entries)
