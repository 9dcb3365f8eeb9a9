"""Strategies of vCPU contexts and GDTs."""

from __future__ import annotations

import attrs
from hypothesis import strategies as st

from domctx.schema import encode
from domctx.states import GdtContext, VcpuContext
from domctx.testing.strategies import bodies
from domctx_cpu import StoredVcpus
from domctx_cpu.contexts import NO_FRAMES, with_gdt, without_gdt
from domctx_cpu.layout import ABIS, ExecutionContext, FullExecutionContext, TrapInfo
from domctx_gdt import StoredGdt

ids = st.integers(0, 0xFFFF_FFFF)
"""vCPU ids."""

full_contexts = bodies(FullExecutionContext)
"""Contexts of Xen 2004 with any GDT fields."""


@st.composite
def vcpu_contexts(draw: st.DrawFn) -> VcpuContext:
    """Contexts as records hold them, of every ABI."""
    abi = draw(st.sampled_from(ABIS))
    return VcpuContext(abi.name, encode(without_gdt(draw(bodies(abi.layout)))))


@st.composite
def whole_contexts(draw: st.DrawFn) -> VcpuContext:
    """Contexts as sources have them, of every ABI: with a GDT of as many frames as its entries need."""
    abi = draw(st.sampled_from(ABIS))
    entries = draw(st.integers(0, 8192))
    count = (entries + 511) // 512
    frames = draw(st.lists(st.integers(0, (1 << 32) - 1), min_size=count, max_size=count))
    return VcpuContext(abi.name, encode(with_gdt(draw(bodies(abi.layout)), frames, entries)))


def stored_vcpus(*, least: int = 0) -> st.SearchStrategy[StoredVcpus]:
    """States of up to four vCPUs."""
    return st.dictionaries(ids, vcpu_contexts(), min_size=least, max_size=4).map(StoredVcpus)


@st.composite
def gdt_contexts(draw: st.DrawFn) -> GdtContext:
    """GDTs with as many frames as their entries need."""
    entries = draw(st.integers(0, 8192))
    count = (entries + 511) // 512
    frames = draw(st.lists(st.integers(0, (1 << 64) - 1), min_size=count, max_size=count))
    return GdtContext(tuple(frames), entries)


def stored_gdts(*, least: int = 0) -> st.SearchStrategy[StoredGdt]:
    """States of up to four GDTs."""
    return st.dictionaries(ids, gdt_contexts(), min_size=least, max_size=4).map(StoredGdt)


def plain_context() -> FullExecutionContext:
    """A context whose registers can be told apart, and which every rule accepts (with PFN 7 NOTAB and 9 L2TAB)."""
    registers = {field.name: 0x1000_0000 + index for index, field in enumerate(attrs.fields(ExecutionContext))}
    return FullExecutionContext(
        flags=1,
        cpu_ctxt=ExecutionContext(**registers | {"esi": 7, "cs": 0x0819, "ss": 0x0821}),
        fpu_ctxt=bytes(range(256)),
        trap_ctxt=tuple(TrapInfo(vector, 3, 0x0819, 0xC000_0000 + vector) for vector in range(256)),
        fast_trap_idx=0x20,
        ldt_base=0xC010_0000,
        ldt_ents=5,
        gdt_frames=NO_FRAMES,
        gdt_ents=0,
        guestos_ss=0x0821,
        guestos_esp=0xC020_0000,
        pt_base=9 << 12,
        debugreg=tuple(range(8)),
        event_callback_cs=0x0819,
        event_callback_eip=0xC030_0000,
        failsafe_callback_cs=0x0819,
        failsafe_callback_eip=0xC040_0000,
    )
