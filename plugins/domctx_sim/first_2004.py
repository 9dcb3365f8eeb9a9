"""What a new domain of 2004 finds: start_info, the shared-info page, its processor's first context."""

from __future__ import annotations

import attrs

from domctx.schema import decode, encode
from domctx_cpu.layout import TRAPS, ExecutionContext, FullExecutionContext, TrapInfo
from domctx_shared_info.layout import SharedInfo2004, VcpuData2004
from domctx_sim.arrays import Numbers
from domctx_sim.first import CPU_KHZ, EFLAGS, First, Order
from domctx_sim.layout import StartInfo
from domctx_sim.placement import Placement
from domctx_sim.suspension import p2m_pages
from domctx_x86 import FLAT_RING1_CS, FLAT_RING1_DS, PAGE_SHIFT, PAGE_SIZE


def first_2004(placement: Placement, mfns: Numbers, shared_info: int, order: Order) -> First:
    """All of it; ``mfns`` are the frames of the domain's pages, ``shared_info`` is an MFN."""
    return First(
        pages={
            placement.p2m: p2m_pages(mfns).tobytes(),
            placement.start_info: encode(start_info(placement, order.command_line, shared_info)),
        },
        shared_info=first_shared_info(),
        context=encode(first_context(placement, int(mfns[placement.directory]))),
    )


def start_info(placement: Placement, command_line: str, shared_info: int) -> StartInfo:
    """What the guest finds at the address in ESI; ``shared_info`` is an MFN."""
    return StartInfo(
        nr_pages=placement.pages,
        shared_info=shared_info << PAGE_SHIFT,
        flags=0,
        pt_base=placement.address(placement.directory),
        nr_pt_frames=placement.tables,
        mfn_list=placement.address(placement.p2m),
        mod_start=placement.address(placement.initrd) if placement.initrd_octets else 0,
        mod_len=placement.initrd_octets,
        cmd_line=command_line,
    )


def first_shared_info() -> bytes:
    """The shared-info page of a new domain: its processor's frequency, and no upcalls."""
    empty = decode(SharedInfo2004, bytes(716))
    info = attrs.evolve(
        empty,
        vcpu_data=VcpuData2004(evtchn_upcall_pending=0, evtchn_upcall_mask=1, pad=bytes(2)),
        cpu_freq=CPU_KHZ * 1000,
    )
    return encode(info).ljust(PAGE_SIZE, b"\0")


def first_context(placement: Placement, directory: int) -> FullExecutionContext:
    """The processor's first context: flat ring-1 segments, ESI and ESP at start_info; ``directory`` is an MFN."""
    stack = placement.address(placement.start_info)
    data, code = FLAT_RING1_DS, FLAT_RING1_CS
    zeros = dict.fromkeys(("ebx", "ecx", "edx", "edi", "ebp", "eax"), 0)
    segments = dict.fromkeys(("ds", "es", "fs", "gs", "ss"), data)
    registers = ExecutionContext(**zeros, **segments, cs=code, esi=stack, esp=stack, eip=placement.base, eflags=EFLAGS)
    return FullExecutionContext(
        flags=0,
        cpu_ctxt=registers,
        fpu_ctxt=bytes(256),
        trap_ctxt=tuple(TrapInfo(vector=vector, flags=0, cs=code, address=0) for vector in range(TRAPS)),
        fast_trap_idx=0,
        ldt_base=0,
        ldt_ents=0,
        gdt_frames=(0,) * 16,
        gdt_ents=0,
        guestos_ss=data,
        guestos_esp=stack,
        pt_base=directory << PAGE_SHIFT,
        debugreg=(0,) * 8,
        event_callback_cs=code,
        event_callback_eip=0,
        failsafe_callback_cs=code,
        failsafe_callback_eip=0,
    )
