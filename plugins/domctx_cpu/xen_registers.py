"""REGISTERS as a view on the vCPU contexts of Xen's paravirtualised guests (formats/xen.md 1.4, 4.5, 4.6).

Segments are flat: Xen keeps selectors and the bases of FS and GS, and its descriptors for guests cover everything. The
tables of descriptors are Xen's, so there are no bases of GDT and IDT. Control registers are those of the guest's
kernel: CR3 is its page tables' PFN times the page size, and CR0 and CR4 always have the bits by which a page-table walk
finds the kind of the tables, whatever the guest may see of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from domctx.api import Domain, Target
from domctx.schema import decode, size_of
from domctx.states import VCPUS, VcpuContext
from domctx.values import frozen
from domctx_cpu.contexts import decode_context
from domctx_cpu.layout import XEN_2004_I386, FullExecutionContext
from domctx_cpu.states import CPU_MSRS, CPU_XSAVE
from domctx_cpu.xen_layout import (
    I387_VALID,
    IN_KERNEL,
    XEN_X86_32,
    XEN_X86_64,
    Msr,
    VcpuGuestContext32,
    VcpuGuestContext64,
    XsaveHead,
)
from domctx_x86 import DESCRIPTOR_SIZE, PAGE_MASK, PAGE_SHIFT, rpl
from domctx_x86.fpu import fpu_fields
from domctx_x86.states import Decoded
from domctx_x86.vcpu import NARROW, WIDE, Registers, Segment
from domctx_x86.xsave import XsaveArea

GENERAL64: Final = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{number}" for number in range(8, 16)))
DATA: Final = ("es", "ds", "fs", "gs")

PAGED: Final = 1 << 31 | 1 << 0
"""CR0: paging in protected mode."""
PAE: Final = 1 << 5
"""CR4: entries of 8 octets."""
LONG: Final = 1 << 10 | 1 << 8
"""EFER: long mode is on and active."""

FLAT_LIMIT: Final = 0xFFFF_FFFF
CODE64, CODE32, DATA32 = 0x00A0_9B00, 0x00C0_9B00, 0x00C0_9300
"""Second words of flat descriptors of privilege 0: 64-bit code, 32-bit code, data."""
FLAT_USER_CS32: Final = 0xE023
"""Xen's selector of 32-bit code in 64-bit guests."""

TSC_AUX: Final = 0xC000_0103


@frozen
class Beside:
    """What a source keeps of a vCPU beside its context: the bodies of CPU_XSAVE and CPU_MSRS, or nothing."""

    xsave: bytes = b""
    msrs: bytes = b""


def registers_64(context: VcpuGuestContext64, beside: Beside) -> Registers:
    """The registers of a 64-bit guest's vCPU."""
    user, kernel = context.user_regs, bool(context.flags & IN_KERNEL)
    bases = (context.gs_base_kernel, context.gs_base_user) if kernel else (context.gs_base_user, context.gs_base_kernel)
    msrs = {"efer": LONG, "kernelgsbase": bases[1]} | _msrs(beside.msrs)
    code = CODE32 if user.cs == FLAT_USER_CS32 else CODE64
    return Registers(
        architecture=WIDE,
        general={name: getattr(user, name) for name in (*GENERAL64, "rip", "rflags")},
        segments=_segments(context, code, {"fs": context.fs_base, "gs": bases[0]}),
        control=_control(context.ctrlreg, context.ctrlreg[3] & ~PAGE_MASK),
        debug=context.debugreg,
        msrs=msrs,
        state={"user_cr3": context.ctrlreg[1] & ~PAGE_MASK} | _callbacks(context, "syscall_callback_eip"),
        **_fpu(context, beside, wide=True),
    )


def registers_32(context: VcpuGuestContext32, beside: Beside) -> Registers:
    """The registers of a 32-bit guest's vCPU, whose page tables have entries of 8 octets."""
    return Registers(
        architecture=NARROW,
        general=_narrow(context.user_regs),
        segments=_segments(context, CODE32, {}),
        control=_control(context.ctrlreg, unfolded(context.ctrlreg[3]) << PAGE_SHIFT),
        debug=context.debugreg,
        msrs={"efer": 0} | _msrs(beside.msrs),
        state=_callbacks(context, "event_callback_cs", "failsafe_callback_cs"),
        **_fpu(context, beside, wide=False),
    )


def registers_2004(context: FullExecutionContext, beside: Beside) -> Registers:
    """The registers of a vCPU of Xen in 2004: page tables of two levels, and an FPU of which a half was lost."""
    return Registers(
        architecture=NARROW,
        general=_narrow(context.cpu_ctxt),
        segments=_flat(context.cpu_ctxt, CODE32, {}) | {"ldt": _ldt(context)},
        control={"cr0": PAGED, "cr3": context.pt_base, "cr4": 0},
        debug=context.debugreg,
        msrs={"efer": 0},
        state={name: getattr(context, name) for name in ("flags", "guestos_ss", "guestos_esp", "event_callback_eip")},
    )


def unfolded(cr3: int) -> int:
    """The frame in a 32-bit guest's CR3, whose bits above 20 stand in its low bits (formats/xen.md 4.5)."""
    return (cr3 >> PAGE_SHIFT | cr3 << 20) & 0xFFFF_FFFF


def _narrow(user: Any) -> dict[str, int]:
    values = {wide: getattr(user, f"e{wide[1:]}") for wide in GENERAL64[:8]}
    return values | {"rip": user.eip, "rflags": user.eflags}


def _control(ctrlreg: Sequence[int], cr3: int) -> dict[str, int]:
    return {"cr0": ctrlreg[0] | PAGED, "cr2": ctrlreg[2], "cr3": cr3, "cr4": ctrlreg[4] | PAE}


def _segments(context: Any, code: int, bases: Mapping[str, int]) -> dict[str, Segment]:
    return _flat(context.user_regs, code, bases) | {"ldt": _ldt(context)}


def _flat(user: Any, code: int, bases: Mapping[str, int]) -> dict[str, Segment]:
    privilege = rpl(user.cs) << 13
    found = {
        "cs": Segment(user.cs & 0xFFFF, 0, FLAT_LIMIT, code | privilege),
        "ss": Segment(user.ss & 0xFFFF, 0, FLAT_LIMIT, DATA32 | privilege),
    }
    for name in DATA:
        selector, base = getattr(user, name) & 0xFFFF, bases.get(name, 0)
        null = selector & ~3 == 0
        found[name] = Segment(selector, base, 0 if null else FLAT_LIMIT, 0 if null else DATA32 | privilege)
    return found


def _ldt(context: Any) -> Segment:
    entries = context.ldt_ents
    return Segment(0, context.ldt_base, DESCRIPTOR_SIZE * entries - 1 if entries else 0, 0)


def _callbacks(context: Any, *more: str) -> dict[str, int]:
    names = ("flags", "kernel_ss", "kernel_sp", "event_callback_eip", "failsafe_callback_eip", "vm_assist", *more)
    return {name: getattr(context, name) for name in names}


def _msrs(octets: bytes) -> dict[str, int]:
    """The registers that a source lists, by name or number; none where it lists no whole ones."""
    size = size_of(Msr)
    if len(octets) % size:
        return {}
    found = (decode(Msr, octets[place : place + size]) for place in range(0, len(octets), size))
    return {"tsc_aux" if msr.index == TSC_AUX else f"0x{msr.index:08x}": msr.value for msr in found}


def _fpu(context: Any, beside: Beside, *, wide: bool) -> dict[str, Any]:
    """The FPU's registers; none where the context says that they are not valid."""
    if not context.flags & I387_VALID:
        return {}
    saved = beside.xsave[size_of(XsaveHead) :]
    area = decode(XsaveArea, saved) if len(saved) >= size_of(XsaveArea) else None
    return fpu_fields(context.fpu_ctxt, area, wide=wide)


DECODERS: Final[Mapping[str, Callable[[Any, Beside], Registers]]] = MappingProxyType(
    {XEN_2004_I386: registers_2004, XEN_X86_32: registers_32, XEN_X86_64: registers_64}
)
"""By ABI."""


class XenRegisters:
    """The registers of vCPUs whose contexts are Xen's; ``beside`` gives what is kept of a vCPU beside its context."""

    def __init__(self, contexts: Mapping[int, VcpuContext], beside: Callable[[int], Beside]) -> None:
        self._contexts, self._beside = contexts, beside

    @property
    def vcpus(self) -> Mapping[int, Registers]:
        """Registers by vCPU id, ascending. Raises RecordError as ``contexts.decode_context``."""
        return Decoded(self._contexts, self._registers)

    def _registers(self, vcpu: int) -> Registers:
        context = self._contexts[vcpu]
        return DECODERS[context.abi](decode_context(context), self._beside(vcpu))


def provide(domain: Domain | Target) -> XenRegisters | None:
    """The view on a domain whose vCPU contexts are Xen's; None for any other."""
    vcpus = domain.state(VCPUS)
    contexts = vcpus.contexts if vcpus is not None else {}
    if not contexts or any(context.abi not in DECODERS for context in contexts.values()):
        return None
    xsave, msrs = domain.state(CPU_XSAVE), domain.state(CPU_MSRS)

    def beside(vcpu: int) -> Beside:
        return Beside(*(state.parts.get(vcpu, b"") if state is not None else b"" for state in (xsave, msrs)))

    return XenRegisters(contexts, beside)
