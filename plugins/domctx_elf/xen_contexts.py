"""The vCPU contexts of a Xen core: a paravirtualised guest's own, or made of an x86 vCPU's registers."""

from __future__ import annotations

from typing import Any, Final

import attrs

from domctx.api import Domain
from domctx.errors import DomainError
from domctx.schema import decode, encode, size_of
from domctx.states import GDT, VCPUS, GdtContext
from domctx_cpu.contexts import join
from domctx_cpu.xen_layout import XEN_X86_32, XEN_X86_64, UserRegs64, VcpuGuestContext64
from domctx_x86.states import REGISTERS
from domctx_x86.vcpu import Registers, Segment

ONLINE: Final = 1 << 5
"""VGCF_online."""
NOTHING: Final = Segment(0, 0, 0, 0)
NO_GDT: Final = GdtContext((), 0)


def contexts_of(source: Domain) -> tuple[bool, list[bytes]]:
    """Whether the guest is paravirtualised, and its contexts. Raises DomainError where nothing tells of vCPUs."""
    vcpus, gdts, told = source.state(VCPUS), source.state(GDT), source.state(REGISTERS)
    contexts = vcpus.contexts if vcpus is not None else {}
    if contexts and all(context.abi in (XEN_X86_64, XEN_X86_32) for context in contexts.values()):
        tables = gdts.contexts if gdts is not None else {}
        octets = [join(context, tables.get(vcpu, NO_GDT)).octets for vcpu, context in contexts.items()]
        return source.machine.pv_width is not None, octets
    found = [of_registers(registers) for registers in told.vcpus.values()] if told is not None else []
    if not found:
        raise DomainError("nothing tells of x86 vCPUs' registers: a Xen core has at least one vCPU")
    return False, found


def of_registers(registers: Registers) -> bytes:
    """A 64-bit context of what an HVM guest's vCPU has; FPU, traps and callbacks are not told."""
    empty = decode(VcpuGuestContext64, bytes(size_of(VcpuGuestContext64)))
    segments = {name: registers.segments.get(name, NOTHING) for name in ("cs", "ss", "ds", "es", "fs", "gs")}
    known = {field.name for field in attrs.fields(UserRegs64)}
    general: dict[str, Any] = {name: value for name, value in registers.general.items() if name in known}
    selectors: dict[str, Any] = {name: segment.selector & 0xFFFF for name, segment in segments.items()}
    control = tuple(registers.control.get(f"cr{number}", 0) for number in range(8))
    return encode(
        attrs.evolve(
            empty,
            flags=ONLINE,
            user_regs=attrs.evolve(empty.user_regs, **general, **selectors),
            ctrlreg=control,
            debugreg=(*registers.debug, *(0,) * 8)[:8],
            fs_base=segments["fs"].base,
            gs_base_kernel=segments["gs"].base,
            gs_base_user=registers.msrs.get("kernelgsbase", 0),
        )
    )
