"""The domain builder: from a kernel image to a domain that only has to be started.

Ordinary page-table requests only, in the order of formats/xen.md 6.6; everything else is dom0's.
"""

from __future__ import annotations

from typing import Final

import attrs
import numpy as np

from domctx.errors import UsageError
from domctx.schema import decode, encode
from domctx.states import TscContext
from domctx_cpu.layout import TRAPS, ExecutionContext, FullExecutionContext, TrapInfo
from domctx_shared_info.layout import SharedInfo2004, VcpuData2004
from domctx_sim.arrays import Numbers, Words
from domctx_sim.dom0 import Dom0
from domctx_sim.kernel_image import KernelImage
from domctx_sim.layout import (
    L1_PROT,
    L1_READ_ONLY,
    L2_PROT,
    MAX_CMDLINE,
    WORDS,
    BuildDomain,
    Command,
    CreateDomain,
    StartInfo,
    Update,
)
from domctx_sim.metadata import DomainRecord
from domctx_sim.placement import Placement, place
from domctx_sim.suspension import p2m_pages
from domctx_x86 import FLAT_RING1_CS, FLAT_RING1_DS, I386_2LEVEL, PAGE_SHIFT, PAGE_SIZE

CPU_KHZ: Final = 1_000_000
"""The simulated processor's frequency."""
_EFLAGS: Final = 1 << 9 | 1 << 1
"""Interrupts enabled, and the bit that is always set."""


@attrs.frozen(kw_only=True)
class Order:
    """What is to be built: memory in pages, and what the guest finds in start_info."""

    image: KernelImage
    pages: int
    name: str
    initrd: bytes = b""
    command_line: str = ""
    vifs: int = 1


def build(dom0: Dom0, order: Order) -> int:
    """Build a domain; returns its id. Raises DomainError where it cannot be placed or Xen refuses it."""
    _check_command_line(order.command_line)
    placement = place(order.image, order.pages, order.initrd)
    created = dom0.create_domain(CreateDomain(memory_kb=order.pages << PAGE_SHIFT - 10, name=order.name))
    domain = dom0.machine.domains[created.domain]
    mfns = dom0.get_mem_list(domain.id, order.pages)
    dom0.mmu_update(domain.id, update_list(placement, mfns, domain.shared_info_frame))
    _fill(dom0, order, placement, mfns, domain)
    context = first_context(placement, int(mfns[placement.directory]))
    dom0.build_domain(BuildDomain(domain=domain.id, num_vifs=order.vifs, context=encode(context)))
    domain.reserved = placement.suspend_record
    domain.command_line = order.command_line
    domain.tsc = TscContext(mode=0, khz=CPU_KHZ, nsec=0, incarnation=0)
    return domain.id


def _check_command_line(text: str) -> None:
    if not text.isascii() or "\0" in text or len(text) >= MAX_CMDLINE:
        raise UsageError(
            "the command line cannot be given to the guest",
            expected=f"at most {MAX_CMDLINE - 1} ASCII characters",
            got=f"{len(text)} characters",
        )


def update_list(placement: Placement, mfns: Numbers, shared_info: int) -> Words:
    """All updates, u32[n, 2]: pin the directory; for each L1 table its slot, then for each page its entry and M2P.

    The last one maps shared_info, one page past the end.
    """
    pages = np.arange(placement.pages)
    addresses = placement.base + (pages << PAGE_SHIFT)
    first = I386_2LEVEL.index(placement.base, 2)
    table = (addresses >> I386_2LEVEL.shifts[1]) - first
    entry = _entry_address(placement, mfns, table, addresses)
    protection = np.where(pages < placement.first_table, L1_PROT, L1_READ_ONLY)
    updates = np.empty((placement.pages, 2, 2), np.uint32)
    updates[:, 0] = np.stack([entry, mfns << PAGE_SHIFT | protection], axis=1)
    updates[:, 1] = np.stack([mfns << PAGE_SHIFT | Update.MACHPHYS, pages], axis=1)
    tables = np.arange(placement.tables - 1)
    directory = int(mfns[placement.directory]) << PAGE_SHIFT
    slots = np.stack(
        [
            directory + (first + tables) * I386_2LEVEL.width,
            mfns[placement.directory - 1 - tables] << PAGE_SHIFT | L2_PROT,
        ],
        axis=1,
    ).astype(np.uint32)
    starts = np.maximum(tables * WORDS - I386_2LEVEL.index(placement.base, 1), 0)
    body = np.insert(updates.reshape(-1, 2), 2 * starts, slots, axis=0)
    end = np.array([placement.address(placement.pages)])
    last = _entry_address(placement, mfns, (end >> I386_2LEVEL.shifts[1]) - first, end)
    pin = [(directory | Update.EXTENDED, Command.PIN_L2_TABLE)]
    return np.concatenate([pin, body, [(int(last[0]), shared_info << PAGE_SHIFT | L1_PROT)]]).astype(np.uint32)


def _entry_address(placement: Placement, mfns: Numbers, table: Numbers, addresses: Numbers) -> Numbers:
    """The machine addresses of the L1 entries of linear addresses; L1 table i is the i-th page below the directory."""
    frame: Numbers = mfns[placement.directory - 1 - table]
    return (frame << PAGE_SHIFT) + (addresses >> PAGE_SHIFT & WORDS - 1) * I386_2LEVEL.width


def _fill(dom0: Dom0, order: Order, placement: Placement, mfns: Numbers, domain: DomainRecord) -> None:
    """Copy in the kernel, the initrd, the P2M and start_info; give shared_info its first contents."""
    parts = [
        (0, order.image.payload),
        (placement.initrd, order.initrd),
        (placement.p2m, p2m_pages(mfns).tobytes()),
        (placement.start_info, encode(start_info(placement, order.command_line, domain.shared_info_frame))),
    ]
    for first, octets in parts:
        contents = np.frombuffer(octets + bytes(-len(octets) % PAGE_SIZE), np.uint8).reshape(-1, PAGE_SIZE)
        dom0.machine.write(mfns[first : first + len(contents)], contents, domain.id)
    shared = np.frombuffer(first_shared_info(), np.uint8)
    dom0.machine.write(np.array([domain.shared_info_frame]), shared, domain.id)


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
    registers = ExecutionContext(**zeros, **segments, cs=code, esi=stack, esp=stack, eip=placement.base, eflags=_EFLAGS)
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
