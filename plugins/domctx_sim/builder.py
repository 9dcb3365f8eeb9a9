"""The domain builder: from a kernel image to a domain that only has to be started.

Ordinary page-table requests only, in the order of formats/xen.md 6.6; everything else is dom0's.
"""

from __future__ import annotations

import numpy as np

from domctx.errors import UsageError
from domctx.states import TscContext
from domctx_sim.arrays import Numbers, Words
from domctx_sim.commands import pin_command
from domctx_sim.dom0 import Dom0
from domctx_sim.first import CPU_KHZ, First, Order
from domctx_sim.first_2004 import first_2004
from domctx_sim.first_today import first_today
from domctx_sim.layout import L1_PROT, L1_READ_ONLY, L2_PROT, CreateDomain, Update
from domctx_sim.placement import Placement, place
from domctx_x86 import PAGE_SHIFT, PAGE_SIZE


def build(dom0: Dom0, order: Order) -> int:
    """Build a domain; returns its id. Raises DomainError where it cannot be placed or Xen refuses it."""
    platform = dom0.machine.platform
    _check_command_line(order.command_line, platform.max_cmdline)
    placement = place(order.image, order.pages, order.initrd, platform)
    created = dom0.create_domain(CreateDomain(memory_kb=order.pages << PAGE_SHIFT - 10, name=order.name))
    domain = dom0.machine.domains[created.domain]
    mfns = dom0.get_mem_list(domain.id, order.pages)
    dom0.mmu_update(domain.id, update_list(placement, mfns, domain.shared_info_frame))
    first = (first_today if platform.today else first_2004)(placement, mfns, domain.shared_info_frame, order)
    _fill(dom0, order, placement, mfns, first)
    dom0.machine.write(np.array([domain.shared_info_frame]), np.frombuffer(first.shared_info, np.uint8), domain.id)
    dom0.install(domain.id, first.context, order.vifs)
    domain.reserved = placement.start_info if platform.today else placement.suspend_record
    domain.frame_list = tuple(placement.p2m_pages) if platform.today else None
    domain.command_line = order.command_line
    domain.tsc = TscContext(mode=0, khz=CPU_KHZ, nsec=0, incarnation=0)
    return domain.id


def _check_command_line(text: str, limit: int) -> None:
    if not text.isascii() or "\0" in text or len(text) >= limit:
        raise UsageError(
            "the command line cannot be given to the guest",
            expected=f"at most {limit - 1} ASCII characters",
            got=f"{len(text)} characters",
        )


def update_list(placement: Placement, mfns: Numbers, shared_info: int) -> Words:
    """All updates, [n, 2]: pin the top-level table; the slots of all tables between it and L1; for each L1 table its
    slot, then for each page its entry and M2P. The last one maps shared_info, one page past the end.
    """
    paging = placement.platform.paging
    top = int(mfns[placement.directory]) << PAGE_SHIFT
    pin = [(top | Update.EXTENDED, pin_command(paging.levels))]
    upper = [_slots(placement, mfns, level) for level in range(paging.levels - 1, 1, -1)]
    pages = np.arange(placement.pages)
    entries = _entries(placement, mfns, 1, placement.base + (pages << PAGE_SHIFT))
    protection = np.where(pages < placement.first_table, L1_PROT, L1_READ_ONLY)
    updates = np.empty((placement.pages, 2, 2), np.int64)
    updates[:, 0] = np.stack([entries, mfns << PAGE_SHIFT | protection], axis=1)
    updates[:, 1] = np.stack([mfns << PAGE_SHIFT | Update.MACHPHYS, pages], axis=1)
    slots = _slots(placement, mfns, 1)
    starts = np.maximum(np.arange(len(slots)) * paging.entries - paging.index(placement.base, 1), 0)
    body = np.insert(updates.reshape(-1, 2), 2 * starts, slots, axis=0)
    last = _entries(placement, mfns, 1, np.array([placement.address(placement.pages)]))
    tail = [(int(last[0]), shared_info << PAGE_SHIFT | L1_PROT)]
    return np.concatenate([pin, *upper, body, tail]).astype(paging.entry)


def _slots(placement: Placement, mfns: Numbers, level: int) -> Numbers:
    """The updates [n, 2] that enter the tables of a level into those of the level above."""
    tables = np.arange(placement.tables_of(level))
    shift = placement.platform.paging.shifts[level]
    addresses = (placement.base >> shift) + tables << shift
    values = mfns[placement.first_of(level) - tables] << PAGE_SHIFT | L2_PROT
    return np.stack([_entries(placement, mfns, level + 1, addresses), values], axis=1)


def _entries(placement: Placement, mfns: Numbers, level: int, addresses: Numbers) -> Numbers:
    """The machine addresses of the entries of a level that translate linear addresses."""
    paging = placement.platform.paging
    table = addresses * 0
    if level < paging.levels:
        table = (addresses >> paging.shifts[level]) - (placement.base >> paging.shifts[level])
    frame: Numbers = mfns[placement.first_of(level) - table]
    return (frame << PAGE_SHIFT) + (addresses >> paging.shifts[level - 1] & paging.entries - 1) * paging.width


def _fill(dom0: Dom0, order: Order, placement: Placement, mfns: Numbers, first: First) -> None:
    """Copy in the kernel, the initrd, and what else the guest finds."""
    parts = [(0, order.image.payload), (placement.initrd, order.initrd), *first.pages.items()]
    for page, octets in parts:
        contents = np.frombuffer(octets + bytes(-len(octets) % PAGE_SIZE), np.uint8).reshape(-1, PAGE_SIZE)
        dom0.machine.write(mfns[page : page + len(contents)], contents, dom0.machine.domain.id)
