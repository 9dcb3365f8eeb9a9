"""The layouts of today's vCPU contexts against formats/xen.md 4.6."""

from __future__ import annotations

from typing import Any

import pytest

from domctx.schema import offset_of, size_of
from domctx_cpu.xen_layout import (
    ExtVcpuContext,
    Msr,
    TrapInfo32,
    TrapInfo64,
    UserRegs32,
    UserRegs64,
    VcpuGuestContext32,
    VcpuGuestContext64,
    XsaveHead,
)

OFFSETS: dict[type[Any], str] = {
    VcpuGuestContext64: """fpu_ctxt 0 flags 512 user_regs 520 trap_ctxt 720 ldt_base 4816 ldt_ents 4824
        gdt_frames 4832 gdt_ents 4960 kernel_ss 4968 kernel_sp 4976 ctrlreg 4984 debugreg 5048 event_callback_eip 5112
        failsafe_callback_eip 5120 syscall_callback_eip 5128 vm_assist 5136 fs_base 5144 gs_base_kernel 5152
        gs_base_user 5160""",
    VcpuGuestContext32: """fpu_ctxt 0 flags 512 user_regs 516 trap_ctxt 584 ldt_base 2632 ldt_ents 2636
        gdt_frames 2640 gdt_ents 2704 kernel_ss 2708 kernel_sp 2712 ctrlreg 2716 debugreg 2748 event_callback_cs 2780
        event_callback_eip 2784 failsafe_callback_cs 2788 failsafe_callback_eip 2792 vm_assist 2796""",
    UserRegs64: """r15 0 r14 8 r13 16 r12 24 rbp 32 rbx 40 r11 48 r10 56 r9 64 r8 72 rax 80 rcx 88 rdx 96 rsi 104
        rdi 112 error_code 120 entry_vector 124 rip 128 cs 136 saved_upcall_mask 140 rflags 144 rsp 152 ss 160 es 168
        ds 176 fs 184 gs 192""",
    UserRegs32: """ebx 0 ecx 4 edx 8 esi 12 edi 16 ebp 20 eax 24 error_code 28 entry_vector 30 eip 32 cs 36
        saved_upcall_mask 38 eflags 40 esp 44 ss 48 es 52 ds 56 fs 60 gs 64""",
    TrapInfo64: "vector 0 flags 1 cs 2 pad 4 address 8",
    TrapInfo32: "vector 0 flags 1 cs 2 address 4",
}
"""The offsets of formats/xen.md 4.6, word for word."""

SIZES = {
    VcpuGuestContext64: 5168,
    VcpuGuestContext32: 2800,
    UserRegs64: 200,
    UserRegs32: 68,
    TrapInfo64: 16,
    TrapInfo32: 8,
    ExtVcpuContext: 64,
    Msr: 16,
    XsaveHead: 16,
}


@pytest.mark.parametrize("layout", list(OFFSETS), ids=lambda layout: layout.__name__)
def test_fields_stand_where_the_reference_says(layout: type[Any]) -> None:
    """Each field stands at its offset of the reference."""
    words = OFFSETS[layout].split()
    for name, offset in zip(words[::2], words[1::2], strict=True):
        assert offset_of(layout, name) == int(offset), name


@pytest.mark.parametrize("layout", list(SIZES), ids=lambda layout: layout.__name__)
def test_sizes_are_those_of_the_compiled_structures(layout: type[Any]) -> None:
    """Each structure has the size of the reference."""
    assert size_of(layout) == SIZES[layout]
