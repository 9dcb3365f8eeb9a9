"""Streams that Xen's own verifier lets pass, and that no receiver takes: what is wrong with each."""

from __future__ import annotations

from helpers import xen_streams as xs
from helpers.xen_streams import Bits


def pv_with(*parts: Bits, context: bytes | None = None) -> list[Bits]:
    """A 64-bit guest with other records behind its pages, or another context."""
    vcpus = [xs.vcpu(4, 0, context or xs.context64())]
    return [*xs.pv_head(), xs.memory(8), *parts, *vcpus, xs.END]


PASSED: dict[str, tuple[list[Bits], str]] = {
    "no vCPU": ([*xs.pv_head(), xs.memory(8), xs.tsc(), xs.END], "no record X86_PV_VCPU_BASIC"),
    "no vCPU 0": ([*xs.pv_head(), xs.memory(8), *xs.vcpus(8, 2)[4:], xs.END], "vCPU 0 has no context"),
    "part of a vCPU": (pv_with(xs.vcpu(5, 1, bytes(64))), "vCPU 1 has a part, cpu_extended, but no context"),
    "cr3": (pv_with(context=xs.context64(cr3=5)), "(cr3) names PFN 0x5, which is no page table of the top level"),
    "cr3 of another level": (pv_with(context=xs.context64(cr3=2)), "no page table of the top level"),
    "cr3 outside": (pv_with(context=xs.context64(cr3=99)), "a page that the domain does not have"),
    "cr1": (pv_with(context=xs.context64(user=6)), "(cr1) names PFN 0x6"),
    "start_info": (pv_with(context=xs.context64(start_info=1)), "start_info (edx) names PFN 0x1, which is"),
    "GDT": (pv_with(context=xs.context64(gdt=[4])), "gdt_frames[0] names PFN 0x4, which is a page table"),
    "static data": ([xs.headers(2), xs.hvm_pages(), xs.STATIC_END, *xs.hvm()[5:]], "before STATIC_DATA_END"),
    "no static data": ([xs.headers(2), *xs.hvm()[4:]], "before STATIC_DATA_END"),
    "P2M late": ([*xs.pv_head()[:-1], xs.memory(8), xs.p2m_frames(), *xs.vcpus(8), xs.END], "before X86_PV_P2M_FRAMES"),
    "no HVM context": ([*xs.hvm()[:6], xs.END], "no record HVM_CONTEXT"),
    "no page": ([*xs.pv_head(), *xs.vcpus(8), xs.END], "holds no page"),
    "twice": ([*xs.hvm()[:-1], xs.tsc(), xs.END], "a second record X86_TSC_INFO"),
}
