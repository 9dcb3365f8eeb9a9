"""CPU entries: the registers of a vCPU (formats/xen.md 3.3), in today's form and in that of before Xen 3.4."""

from typing import Annotated, Final

from domctx.schema import U32, U64, Nested, layout
from domctx.values import frozen
from domctx_x86.fxsave import Fxsave

FPU_INITIALISED: Final = 1 << 0
"""In ``flags``: ``fpu_regs`` holds the FPU's registers."""


@layout(source="formats/xen.md 3.3: hvm_hw_cpu")
@frozen(kw_only=True)
class CpuHead:
    """What both forms begin with: 1000 octets. Bits 0-7 of ``*_arbytes`` are the access octet, 8-11 AVL, L, D/B, G."""

    fpu_regs: Annotated[Fxsave, Nested(Fxsave, "FPU and SSE registers")]
    rax: Annotated[int, U64("RAX")]
    rbx: Annotated[int, U64("RBX")]
    rcx: Annotated[int, U64("RCX")]
    rdx: Annotated[int, U64("RDX")]
    rbp: Annotated[int, U64("RBP")]
    rsi: Annotated[int, U64("RSI")]
    rdi: Annotated[int, U64("RDI")]
    rsp: Annotated[int, U64("RSP")]
    r8: Annotated[int, U64("R8")]
    r9: Annotated[int, U64("R9")]
    r10: Annotated[int, U64("R10")]
    r11: Annotated[int, U64("R11")]
    r12: Annotated[int, U64("R12")]
    r13: Annotated[int, U64("R13")]
    r14: Annotated[int, U64("R14")]
    r15: Annotated[int, U64("R15")]
    rip: Annotated[int, U64("RIP")]
    rflags: Annotated[int, U64("RFLAGS")]
    cr0: Annotated[int, U64("CR0")]
    cr2: Annotated[int, U64("CR2")]
    cr3: Annotated[int, U64("CR3", unit="guest-physical address")]
    cr4: Annotated[int, U64("CR4")]
    dr0: Annotated[int, U64("DR0")]
    dr1: Annotated[int, U64("DR1")]
    dr2: Annotated[int, U64("DR2")]
    dr3: Annotated[int, U64("DR3")]
    dr6: Annotated[int, U64("DR6")]
    dr7: Annotated[int, U64("DR7")]
    cs_sel: Annotated[int, U32("CS", unit="selector")]
    ds_sel: Annotated[int, U32("DS", unit="selector")]
    es_sel: Annotated[int, U32("ES", unit="selector")]
    fs_sel: Annotated[int, U32("FS", unit="selector")]
    gs_sel: Annotated[int, U32("GS", unit="selector")]
    ss_sel: Annotated[int, U32("SS", unit="selector")]
    tr_sel: Annotated[int, U32("TR", unit="selector")]
    ldtr_sel: Annotated[int, U32("LDTR", unit="selector")]
    cs_limit: Annotated[int, U32("of CS", unit="offset of the last octet")]
    ds_limit: Annotated[int, U32("of DS", unit="offset of the last octet")]
    es_limit: Annotated[int, U32("of ES", unit="offset of the last octet")]
    fs_limit: Annotated[int, U32("of FS", unit="offset of the last octet")]
    gs_limit: Annotated[int, U32("of GS", unit="offset of the last octet")]
    ss_limit: Annotated[int, U32("of SS", unit="offset of the last octet")]
    tr_limit: Annotated[int, U32("of TR", unit="offset of the last octet")]
    ldtr_limit: Annotated[int, U32("of LDTR", unit="offset of the last octet")]
    idtr_limit: Annotated[int, U32("of IDTR", unit="offset of the last octet")]
    gdtr_limit: Annotated[int, U32("of GDTR", unit="offset of the last octet")]
    cs_base: Annotated[int, U64("of CS", unit="linear address")]
    ds_base: Annotated[int, U64("of DS", unit="linear address")]
    es_base: Annotated[int, U64("of ES", unit="linear address")]
    fs_base: Annotated[int, U64("of FS", unit="linear address")]
    gs_base: Annotated[int, U64("of GS", unit="linear address")]
    ss_base: Annotated[int, U64("of SS", unit="linear address")]
    tr_base: Annotated[int, U64("of TR", unit="linear address")]
    ldtr_base: Annotated[int, U64("of LDTR", unit="linear address")]
    idtr_base: Annotated[int, U64("of IDTR", unit="linear address")]
    gdtr_base: Annotated[int, U64("of GDTR", unit="linear address")]
    cs_arbytes: Annotated[int, U32("access rights of CS")]
    ds_arbytes: Annotated[int, U32("access rights of DS")]
    es_arbytes: Annotated[int, U32("access rights of ES")]
    fs_arbytes: Annotated[int, U32("access rights of FS")]
    gs_arbytes: Annotated[int, U32("access rights of GS")]
    ss_arbytes: Annotated[int, U32("access rights of SS")]
    tr_arbytes: Annotated[int, U32("access rights of TR")]
    ldtr_arbytes: Annotated[int, U32("access rights of LDTR")]
    sysenter_cs: Annotated[int, U64("MSR SYSENTER_CS")]
    sysenter_esp: Annotated[int, U64("MSR SYSENTER_ESP")]
    sysenter_eip: Annotated[int, U64("MSR SYSENTER_EIP")]
    shadow_gs: Annotated[int, U64("MSR KERNEL_GS_BASE", unit="linear address")]
    msr_flags: Annotated[int, U64("obsolete")]
    msr_lstar: Annotated[int, U64("MSR LSTAR")]
    msr_star: Annotated[int, U64("MSR STAR")]
    msr_cstar: Annotated[int, U64("MSR CSTAR")]
    msr_syscall_mask: Annotated[int, U64("MSR SFMASK")]
    msr_efer: Annotated[int, U64("MSR EFER")]


@layout(source="formats/xen.md 3.3: hvm_hw_cpu, 1032 octets")
@frozen(kw_only=True)
class Cpu(CpuHead):
    """A vCPU as Xen has it since 4.7; from 3.4 to 4.6 without ``flags`` and ``pad0``."""

    msr_tsc_aux: Annotated[int, U64("MSR TSC_AUX")]
    tsc: Annotated[int, U64("what RDTSC would return", unit="cycles")]
    pending_event: Annotated[int, U32("bits 0-7 vector, 8-10 type, 11 error valid, 31 valid")]
    error_code: Annotated[int, U32("of the pending event")]
    flags: Annotated[int, U32("bit 0: the FPU is initialised", unit="flags")]
    pad0: Annotated[int, U32("unused")]


@layout(source="formats/xen.md 3.3: compat form, 1016 octets")
@frozen(kw_only=True)
class CpuCompat(CpuHead):
    """A vCPU as Xen had it before 3.4."""

    tsc: Annotated[int, U64("what RDTSC would return", unit="cycles")]
    pending_event: Annotated[int, U32("bits 0-7 vector, 8-10 type, 11 error valid, 31 valid")]
    error_code: Annotated[int, U32("of the pending event")]
