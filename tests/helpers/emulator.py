"""Runs the guest of a simulated machine: a processor that sees the machine's frames through the guest's page tables.

It is one of i386 with two-level or PAE page tables, or of x86-64. What hypercalls would do a test does in their place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np
import unicorn
from unicorn.unicorn_const import UC_ARCH_X86, UC_MODE_32, UC_MODE_64
from unicorn.x86_const import (
    UC_X86_REG_CR0,
    UC_X86_REG_CR3,
    UC_X86_REG_CR4,
    UC_X86_REG_EAX,
    UC_X86_REG_EBP,
    UC_X86_REG_EBX,
    UC_X86_REG_ECX,
    UC_X86_REG_EDI,
    UC_X86_REG_EDX,
    UC_X86_REG_EFLAGS,
    UC_X86_REG_EIP,
    UC_X86_REG_ESI,
    UC_X86_REG_ESP,
    UC_X86_REG_R8,
    UC_X86_REG_R9,
    UC_X86_REG_R10,
    UC_X86_REG_R11,
    UC_X86_REG_R12,
    UC_X86_REG_R13,
    UC_X86_REG_R14,
    UC_X86_REG_R15,
    UC_X86_REG_RAX,
    UC_X86_REG_RBP,
    UC_X86_REG_RBX,
    UC_X86_REG_RCX,
    UC_X86_REG_RDI,
    UC_X86_REG_RDX,
    UC_X86_REG_RFLAGS,
    UC_X86_REG_RIP,
    UC_X86_REG_RSI,
    UC_X86_REG_RSP,
)

from domctx.schema import encode
from domctx_sim.machine import Machine
from domctx_sim.platforms import FOUR_LEVEL, PAE_TODAY, TWO_LEVEL
from domctx_sim.processor import processor_of
from helpers.machines import changed

REGISTERS_32: Final = {
    "eax": UC_X86_REG_EAX,
    "ebx": UC_X86_REG_EBX,
    "ecx": UC_X86_REG_ECX,
    "edx": UC_X86_REG_EDX,
    "esi": UC_X86_REG_ESI,
    "edi": UC_X86_REG_EDI,
    "ebp": UC_X86_REG_EBP,
    "esp": UC_X86_REG_ESP,
    "eflags": UC_X86_REG_EFLAGS,
    "eip": UC_X86_REG_EIP,
}
REGISTERS_64: Final = {
    "rax": UC_X86_REG_RAX,
    "rbx": UC_X86_REG_RBX,
    "rcx": UC_X86_REG_RCX,
    "rdx": UC_X86_REG_RDX,
    "rsi": UC_X86_REG_RSI,
    "rdi": UC_X86_REG_RDI,
    "rbp": UC_X86_REG_RBP,
    "rsp": UC_X86_REG_RSP,
    "r8": UC_X86_REG_R8,
    "r9": UC_X86_REG_R9,
    "r10": UC_X86_REG_R10,
    "r11": UC_X86_REG_R11,
    "r12": UC_X86_REG_R12,
    "r13": UC_X86_REG_R13,
    "r14": UC_X86_REG_R14,
    "r15": UC_X86_REG_R15,
    "rflags": UC_X86_REG_RFLAGS,
    "rip": UC_X86_REG_RIP,
}
PROTECTED_PAGING: Final = 0x8001_0001
"""CR0: protected mode, paging, and write protection for the kernel too, which Xen always sets."""
PAE_ENABLED: Final = 1 << 5
"""CR4."""
EFER: Final = 0xC000_0080
EFER_BITS: Final = {"pae": 0x800, "4-level": 0xD01}
"""No-execute; of 64 bits long mode, enabled and active, and system calls."""
CACHE: Final = 0x10_000
"""A page of Xen's own: it keeps a PAE guest's four L3 entries there, for CR3 reaches no higher than 4 GiB."""
NOWHERE: Final = 0xFFFF_FFFF


def run_guest(folder: Path, steps: int) -> None:
    """Let the guest of the machine in ``folder`` run for some instructions; memory and registers are kept."""
    if steps:
        with changed(folder) as machine:
            _run(machine, steps)


def _run(machine: Machine, steps: int) -> None:
    domain, platform = machine.domain, machine.platform
    frames = np.flatnonzero(machine.table.owner == domain.id)
    runs = np.split(frames, np.flatnonzero(np.diff(frames) != 1) + 1)
    mode = UC_MODE_64 if platform is FOUR_LEVEL else UC_MODE_32
    processor: Any = unicorn.Uc(UC_ARCH_X86, mode)  # type: ignore[attr-defined,no-untyped-call]  # no annotations
    for run in runs:
        processor.mem_map(int(run[0]) << 12, len(run) << 12)
        processor.mem_write(int(run[0]) << 12, machine.frames.read(run).tobytes())
    cpu, names = domain.cpu, REGISTERS_64 if platform is FOUR_LEVEL else REGISTERS_32
    part = "cpu_ctxt" if platform is TWO_LEVEL else "user_regs"
    for name, register in names.items():
        processor.reg_write(register, getattr(getattr(cpu, part), name))
    _begin_paging(processor, machine)
    processor.emu_start(getattr(getattr(cpu, part), names_of_ip(names)), NOWHERE, count=steps)
    for run in runs:
        octets = bytes(processor.mem_read(int(run[0]) << 12, len(run) << 12))
        machine.frames.write(run, np.frombuffer(octets, np.uint8))
    registers = {name: processor.reg_read(register) for name, register in names.items()}
    domain.context = encode(attrs.evolve(cpu, **{part: attrs.evolve(getattr(cpu, part), **registers)}))


def names_of_ip(names: dict[str, int]) -> str:
    """What the instruction pointer is called."""
    return "rip" if "rip" in names else "eip"


def _begin_paging(processor: Any, machine: Machine) -> None:
    platform = machine.platform
    base = processor_of(platform).bases(machine.domain.cpu)[0] << 12
    if platform is PAE_TODAY:
        entries = machine.frames.words[base >> 12].view("<u8")[:4] & ~np.uint64(0xFFE)
        processor.mem_map(CACHE, 4096)
        processor.mem_write(CACHE, entries.tobytes())
        base = CACHE
    if platform is not TWO_LEVEL:
        processor.reg_write(UC_X86_REG_CR4, PAE_ENABLED)
        processor.msr_write(EFER, EFER_BITS[platform.name])
    processor.reg_write(UC_X86_REG_CR3, base)
    processor.reg_write(UC_X86_REG_CR0, PROTECTED_PAGING)
