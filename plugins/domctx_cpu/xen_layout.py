"""The vCPU context of today's Xen: vcpu_guest_context of 64-bit and of 32-bit paravirtualised guests.

All integers are little-endian; holes are kept as they are found. Source: formats/xen.md 4.5 and 4.6.
"""

from typing import Annotated, Final

from domctx.schema import U8, U16, U32, U64, Array, Bytes, Nested, layout
from domctx.values import frozen
from domctx_cpu.layout import XEN_X86_32 as XEN_X86_32, XEN_X86_64 as XEN_X86_64
from domctx_x86.fxsave import Fxsave

I387_VALID: Final = 1 << 0
IN_KERNEL: Final = 1 << 2
"""In ``flags``: ``fpu_ctxt`` holds the FPU's registers; the vCPU was in the guest's kernel (VGCF_*)."""


@layout(source="formats/xen.md 4.6: trap_info, 64-bit")
@frozen
class TrapInfo64:
    """One entry of the virtual IDT."""

    vector: Annotated[int, U8("the vector")]
    flags: Annotated[int, U8("bits 0-1: DPL; bit 2: clear event-enable on entry")]
    cs: Annotated[int, U16("the handler's code selector")]
    pad: Annotated[bytes, Bytes(4, "unused")]
    address: Annotated[int, U64("the handler", unit="linear address")]


@layout(source="formats/xen.md 4.6: trap_info, 32-bit")
@frozen
class TrapInfo32:
    """One entry of the virtual IDT."""

    vector: Annotated[int, U8("the vector")]
    flags: Annotated[int, U8("bits 0-1: DPL; bit 2: clear event-enable on entry")]
    cs: Annotated[int, U16("the handler's code selector")]
    address: Annotated[int, U32("the handler", unit="offset in CS")]


@layout(source="formats/xen.md 4.6: user_regs, 64-bit")
@frozen(kw_only=True)
class UserRegs64:
    """The general registers and segment selectors: 200 octets."""

    r15: Annotated[int, U64("R15")]
    r14: Annotated[int, U64("R14")]
    r13: Annotated[int, U64("R13")]
    r12: Annotated[int, U64("R12")]
    rbp: Annotated[int, U64("RBP")]
    rbx: Annotated[int, U64("RBX")]
    r11: Annotated[int, U64("R11")]
    r10: Annotated[int, U64("R10")]
    r9: Annotated[int, U64("R9")]
    r8: Annotated[int, U64("R8")]
    rax: Annotated[int, U64("RAX")]
    rcx: Annotated[int, U64("RCX")]
    rdx: Annotated[int, U64("RDX; of vCPU 0 of a suspended guest the frame of start_info, a PFN where canonical")]
    rsi: Annotated[int, U64("RSI")]
    rdi: Annotated[int, U64("RDI")]
    error_code: Annotated[int, U32("of the exception that was being delivered")]
    entry_vector: Annotated[int, U32("how the guest entered Xen")]
    rip: Annotated[int, U64("RIP", unit="linear address")]
    cs: Annotated[int, U16("CS", unit="selector")]
    pad0: Annotated[bytes, Bytes(2, "unused")] = bytes(2)
    saved_upcall_mask: Annotated[int, U8("evtchn_upcall_mask at the entry")]
    pad1: Annotated[bytes, Bytes(3, "unused")] = bytes(3)
    rflags: Annotated[int, U64("RFLAGS", unit="flags")]
    rsp: Annotated[int, U64("RSP", unit="linear address")]
    ss: Annotated[int, U16("SS", unit="selector")]
    pad2: Annotated[bytes, Bytes(6, "unused")] = bytes(6)
    es: Annotated[int, U16("ES", unit="selector")]
    pad3: Annotated[bytes, Bytes(6, "unused")] = bytes(6)
    ds: Annotated[int, U16("DS", unit="selector")]
    pad4: Annotated[bytes, Bytes(6, "unused")] = bytes(6)
    fs: Annotated[int, U16("FS", unit="selector")]
    pad5: Annotated[bytes, Bytes(6, "unused")] = bytes(6)
    gs: Annotated[int, U16("GS", unit="selector")]
    pad6: Annotated[bytes, Bytes(6, "unused")] = bytes(6)


@layout(source="formats/xen.md 4.6: user_regs, 32-bit")
@frozen(kw_only=True)
class UserRegs32:
    """The general registers and segment selectors: 68 octets."""

    ebx: Annotated[int, U32("EBX")]
    ecx: Annotated[int, U32("ECX")]
    edx: Annotated[int, U32("EDX; of vCPU 0 of a suspended guest the frame of start_info, a PFN where canonical")]
    esi: Annotated[int, U32("ESI")]
    edi: Annotated[int, U32("EDI")]
    ebp: Annotated[int, U32("EBP")]
    eax: Annotated[int, U32("EAX")]
    error_code: Annotated[int, U16("of the exception that was being delivered")]
    entry_vector: Annotated[int, U16("how the guest entered Xen")]
    eip: Annotated[int, U32("EIP", unit="offset in CS")]
    cs: Annotated[int, U16("CS", unit="selector")]
    saved_upcall_mask: Annotated[int, U8("evtchn_upcall_mask at the entry")]
    pad0: Annotated[bytes, Bytes(1, "unused")] = bytes(1)
    eflags: Annotated[int, U32("EFLAGS", unit="flags")]
    esp: Annotated[int, U32("ESP", unit="offset in SS")]
    ss: Annotated[int, U16("SS", unit="selector")]
    pad1: Annotated[bytes, Bytes(2, "unused")] = bytes(2)
    es: Annotated[int, U16("ES", unit="selector")]
    pad2: Annotated[bytes, Bytes(2, "unused")] = bytes(2)
    ds: Annotated[int, U16("DS", unit="selector")]
    pad3: Annotated[bytes, Bytes(2, "unused")] = bytes(2)
    fs: Annotated[int, U16("FS", unit="selector")]
    pad4: Annotated[bytes, Bytes(2, "unused")] = bytes(2)
    gs: Annotated[int, U16("GS", unit="selector")]
    pad5: Annotated[bytes, Bytes(2, "unused")] = bytes(2)


@layout(source="formats/xen.md 4.6: vcpu_guest_context, 64-bit")
@frozen(kw_only=True)
class VcpuGuestContext64:
    """All that libxc keeps of a 64-bit vCPU in its basic record: 5168 octets.

    Canonical in a record: ``ctrlreg`` 3 and 1 and, of vCPU 0, ``user_regs.rdx`` name PFNs; ``gdt_frames`` and
    ``gdt_ents`` are zero there, for the GDT record owns them.
    """

    fpu_ctxt: Annotated[Fxsave, Nested(Fxsave, "FPU and SSE registers, where flags says that they are valid")]
    flags: Annotated[int, U64("VGCF_*: bit 0 i387_valid, 2 in_kernel, 5 online", unit="flags")]
    user_regs: Annotated[UserRegs64, Nested(UserRegs64, "the general registers")]
    trap_ctxt: Annotated[tuple[TrapInfo64, ...], Array(TrapInfo64, 256, "the virtual IDT, by vector")]
    ldt_base: Annotated[int, U64("the LDT; page aligned", unit="linear address")]
    ldt_ents: Annotated[int, U64("entries of the LDT, at most 8192", unit="descriptors of 8 octets")]
    gdt_frames: Annotated[tuple[int, ...], Array(U64("a frame", unit="PFN"), 16, "a frame for each 512 entries, dense")]
    gdt_ents: Annotated[int, U64("entries of the GDT, at most 7168; 0: Xen's own", unit="descriptors of 8 octets")]
    kernel_ss: Annotated[int, U64("SS of the guest's kernel", unit="selector")]
    kernel_sp: Annotated[int, U64("RSP of the guest's kernel", unit="linear address")]
    ctrlreg: Annotated[
        tuple[int, ...],
        Array(U64("a control register"), 8, "CR0 .. CR7; 3: PFN << 12; 1: the user's page table, PFN << 12 | 1, or 0"),
    ]
    debugreg: Annotated[tuple[int, ...], Array(U64("a debug register"), 8, "DB0..DB7")]
    event_callback_eip: Annotated[int, U64("the event callback", unit="linear address")]
    failsafe_callback_eip: Annotated[int, U64("the failsafe callback", unit="linear address")]
    syscall_callback_eip: Annotated[int, U64("the entry of system calls", unit="linear address")]
    vm_assist: Annotated[int, U64("VMASST_TYPE_* bits", unit="mask")]
    fs_base: Annotated[int, U64("base of FS", unit="linear address")]
    gs_base_kernel: Annotated[int, U64("base of GS in the guest's kernel", unit="linear address")]
    gs_base_user: Annotated[int, U64("base of GS in the guest's user mode", unit="linear address")]


@layout(source="formats/xen.md 4.6: vcpu_guest_context, 32-bit")
@frozen(kw_only=True)
class VcpuGuestContext32:
    """All that libxc keeps of a 32-bit vCPU in its basic record: 2800 octets.

    Canonical in a record: ``ctrlreg`` 3, which is folded, and, of vCPU 0, ``user_regs.edx`` name PFNs; ``gdt_frames``
    and ``gdt_ents`` are zero there, for the GDT record owns them.
    """

    fpu_ctxt: Annotated[Fxsave, Nested(Fxsave, "FPU and SSE registers, where flags says that they are valid")]
    flags: Annotated[int, U32("VGCF_*: bit 0 i387_valid, 2 in_kernel, 5 online", unit="flags")]
    user_regs: Annotated[UserRegs32, Nested(UserRegs32, "the general registers")]
    trap_ctxt: Annotated[tuple[TrapInfo32, ...], Array(TrapInfo32, 256, "the virtual IDT, by vector")]
    ldt_base: Annotated[int, U32("the LDT; page aligned", unit="linear address")]
    ldt_ents: Annotated[int, U32("entries of the LDT, at most 8192", unit="descriptors of 8 octets")]
    gdt_frames: Annotated[tuple[int, ...], Array(U32("a frame", unit="PFN"), 16, "a frame for each 512 entries, dense")]
    gdt_ents: Annotated[int, U32("entries of the GDT, at most 7168; 0: Xen's own", unit="descriptors of 8 octets")]
    kernel_ss: Annotated[int, U32("SS of the guest's kernel", unit="selector")]
    kernel_sp: Annotated[int, U32("ESP of the guest's kernel", unit="offset in SS")]
    ctrlreg: Annotated[
        tuple[int, ...],
        Array(U32("a control register"), 8, "CR0 .. CR7; 3: (PFN << 12 | PFN >> 20), folded"),
    ]
    debugreg: Annotated[tuple[int, ...], Array(U32("a debug register"), 8, "DB0..DB7")]
    event_callback_cs: Annotated[int, U32("code selector of the event callback")]
    event_callback_eip: Annotated[int, U32("the event callback", unit="offset in CS")]
    failsafe_callback_cs: Annotated[int, U32("code selector of the failsafe callback")]
    failsafe_callback_eip: Annotated[int, U32("the failsafe callback", unit="offset in CS")]
    vm_assist: Annotated[int, U32("VMASST_TYPE_* bits", unit="mask")]


@layout(source="formats/xen.md 4.2: X86_PV_VCPU_EXTENDED; xen/include/public/domctl.h: ext_vcpucontext")
@frozen(kw_only=True)
class ExtVcpuContext:
    """How 32-bit code of a 64-bit vCPU enters its kernel, and its machine-check capabilities: 64 octets."""

    vcpu: Annotated[int, U32("the vCPU id")]
    size: Annotated[int, U32("length of this structure", unit="octets")]
    syscall32_callback_eip: Annotated[int, U64("the entry of SYSCALL from 32-bit code", unit="linear address")]
    sysenter_callback_eip: Annotated[int, U64("the entry of SYSENTER", unit="linear address")]
    syscall32_callback_cs: Annotated[int, U16("its code selector")]
    sysenter_callback_cs: Annotated[int, U16("its code selector")]
    syscall32_disables_events: Annotated[int, U8("not 0: events are held back after it")]
    sysenter_disables_events: Annotated[int, U8("not 0: events are held back after it")]
    pad: Annotated[bytes, Bytes(2, "unused")] = bytes(2)
    caps: Annotated[int, U64("vmce.caps: machine-check capabilities")]
    mci_ctl2_bank0: Annotated[int, U64("vmce.mci_ctl2_bank0")]
    mci_ctl2_bank1: Annotated[int, U64("vmce.mci_ctl2_bank1")]
    mcg_ext_ctl: Annotated[int, U64("vmce.mcg_ext_ctl")]


@layout(source="formats/xen.md 4.2: X86_PV_VCPU_MSRS")
@frozen
class Msr:
    """One model-specific register."""

    index: Annotated[int, U32("which register")]
    reserved: Annotated[bytes, Bytes(4, "zero; kept as it is found")]
    value: Annotated[int, U64("its value")]


@layout(source="formats/xen.md 4.2: X86_PV_VCPU_XSAVE")
@frozen
class XsaveHead:
    """What stands before the XSAVE area of a vCPU."""

    xcr0: Annotated[int, U64("XCR0: the components that are enabled", unit="mask")]
    xcr0_accum: Annotated[int, U64("every component that was ever enabled", unit="mask")]
