"""What a new domain of today finds: start_info, the P2M and its lists, the shared-info page, its first context.

The kernel is entered with RSI (ESI) and the stack pointer at start_info, its segments flat.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
import numpy as np

from domctx.schema import decode, encode, size_of
from domctx_sim.arrays import Numbers
from domctx_sim.first import EFLAGS, First, Order
from domctx_sim.lists import contents, shared_info_layout
from domctx_sim.placement import Placement
from domctx_sim.platforms import FOUR_LEVEL
from domctx_sim.processor import processor_of
from domctx_sim.start_info import layout_of, magic_of
from domctx_x86 import PAGE_SHIFT, PAGE_SIZE

SELECTORS: Final = {"xen-x86_64": (0xE033, 0xE02B), "xen-x86_32": (0xE019, 0xE021)}
"""Code and data of the guest's kernel, by ABI: Xen's flat segments of ring 3, of ring 1
(xen/include/public/arch-x86/xen-x86_64.h, xen-x86_32.h: FLAT_KERNEL_CS, FLAT_KERNEL_DS)."""


def first_today(placement: Placement, mfns: Numbers, shared_info: int, order: Order) -> First:
    """All of it; ``mfns`` are the frames of the domain's pages, ``shared_info`` is an MFN."""
    listed = contents(placement.platform, tuple(placement.p2m_pages), placement.lists, mfns)
    pages = {pfn: np.ascontiguousarray(words).tobytes() for pfn, words in listed.items()}
    info = start_info(placement, mfns, shared_info, order.command_line)
    return First(
        pages={**pages, placement.start_info: encode(info)},
        shared_info=first_shared_info(placement, int(mfns[placement.lists.top])),
        context=encode(first_context(placement, int(mfns[placement.directory]))),
    )


def start_info(placement: Placement, mfns: Numbers, shared_info: int, command_line: str) -> Any:
    """What the guest finds at the address in RSI."""
    return layout_of(placement.platform)(
        magic=magic_of(placement.platform),
        nr_pages=placement.pages,
        shared_info=shared_info << PAGE_SHIFT,
        store_mfn=int(mfns[placement.store]),
        console_mfn=int(mfns[placement.console]),
        pt_base=placement.address(placement.directory),
        nr_pt_frames=placement.tables,
        mfn_list=placement.address(placement.p2m),
        mod_start=placement.address(placement.initrd) if placement.initrd_octets else 0,
        mod_len=placement.initrd_octets,
        cmd_line=command_line.encode("ascii").ljust(1024, b"\0"),
        first_p2m_pfn=placement.p2m,
        nr_p2m_frames=placement.p2m_frames,
    )


def first_shared_info(placement: Placement, lists: int) -> bytes:
    """The shared-info page of a new domain: every event channel held back, and where the lists of the P2M begin."""
    kind = shared_info_layout(placement.platform)
    empty = decode(kind, bytes(size_of(kind)))
    word = (1 << 8 * placement.platform.paging.word) - 1
    info = attrs.evolve(
        empty,
        evtchn_mask=(word,) * len(empty.evtchn_mask),
        arch=attrs.evolve(empty.arch, max_pfn=placement.pages, pfn_to_mfn_frame_list_list=lists),
    )
    return encode(info).ljust(PAGE_SIZE, b"\0")


def first_context(placement: Placement, directory: int) -> Any:
    """The processor's first context; ``directory`` is an MFN."""
    platform, processor = placement.platform, processor_of(placement.platform)
    code, data = SELECTORS[platform.abi]
    stack = placement.address(placement.start_info)
    empty = decode(processor.layout, bytes(size_of(processor.layout)))
    wide = platform is FOUR_LEVEL
    names = ("rsi", "rsp", "rip", "rflags") if wide else ("esi", "esp", "eip", "eflags")
    values = dict(zip(names, (stack, stack, placement.base, EFLAGS), strict=True))
    segments = dict.fromkeys(("ds", "es", "fs", "gs", "ss"), data)
    registers = attrs.evolve(empty.user_regs, **values, **segments, cs=code)
    context = attrs.evolve(empty, user_regs=registers, kernel_ss=data, kernel_sp=stack)
    return processor.sanitise(processor.with_bases(context, [directory]))
