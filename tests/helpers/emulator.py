"""Runs the guest of a simulated machine: an i386 processor that sees the machine's frames through its page tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np
import unicorn
from unicorn.unicorn_const import UC_ARCH_X86, UC_MODE_32
from unicorn.x86_const import (
    UC_X86_REG_CR0,
    UC_X86_REG_CR3,
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
)

from domctx.schema import encode
from domctx_sim.machine import Machine
from helpers.machines import changed

REGISTERS: Final = {
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
PROTECTED_PAGING: Final = 0x8001_0001
"""CR0: protected mode, paging, and write protection for the kernel too, which Xen always sets."""
NOWHERE: Final = 0xFFFF_FFFF


def run_guest(folder: Path, steps: int) -> None:
    """Let the guest of the machine in ``folder`` run for some instructions; memory and registers are kept."""
    if steps:
        with changed(folder) as machine:
            _run(machine, steps)


def _run(machine: Machine, steps: int) -> None:
    domain = machine.domain
    frames = np.flatnonzero(machine.table.owner == domain.id)
    runs = np.split(frames, np.flatnonzero(np.diff(frames) != 1) + 1)
    processor: Any = unicorn.Uc(UC_ARCH_X86, UC_MODE_32)  # type: ignore[attr-defined,no-untyped-call]  # no annotations
    for run in runs:
        processor.mem_map(int(run[0]) << 12, len(run) << 12)
        processor.mem_write(int(run[0]) << 12, machine.frames.read(run).tobytes())
    cpu = domain.cpu
    for name, register in REGISTERS.items():
        processor.reg_write(register, getattr(cpu.cpu_ctxt, name))
    processor.reg_write(UC_X86_REG_CR3, cpu.pt_base)
    processor.reg_write(UC_X86_REG_CR0, PROTECTED_PAGING)
    processor.emu_start(cpu.cpu_ctxt.eip, NOWHERE, count=steps)
    for run in runs:
        octets = bytes(processor.mem_read(int(run[0]) << 12, len(run) << 12))
        machine.frames.write(run, np.frombuffer(octets, np.uint8))
    registers = {name: processor.reg_read(register) for name, register in REGISTERS.items()}
    domain.context = encode(attrs.evolve(cpu, cpu_ctxt=attrs.evolve(cpu.cpu_ctxt, **registers)))
