"""The shared-info records' bodies, and shared_info as Xen of 2004 and Xen of today have it.

Guests write into this page as they like: holes are octets that are kept, never octets that must be zero.
Source: formats/xen.md 1.6 (2004), 2.2 (the v10 record), 4.6 (today's x86); xen/include/public/xen.h and arch-arm.h.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

from domctx.schema import S8, U8, U32, U64, Array, Blob, Bytes, Nested, Reserved, layout, size_of
from domctx.values import frozen
from domctx_x86.registers import ExecutionContext

PAGE_SIZE: Final = 4096

XEN_2004_I386: Final = "xen-2004-i386"
XEN_X86_32: Final = "xen-x86_32"
XEN_X86_64: Final = "xen-x86_64"
XEN_ARM: Final = "xen-arm"

CONTROL_IF: Final = range(2048, 3088)
"""Where the control tools of 2004 keep control_if_t in the same page: 1040 octets, opaque here."""

# the fields that several layouts have, word for word
UpcallPending = Annotated[int, U8("not 0: an upcall is pending")]
UpcallMask = Annotated[int, U8("not 0: upcalls are held back")]
PendingSel32 = Annotated[int, U32("a bit for each word of evtchn_pending that changed")]
PendingSel64 = Annotated[int, U64("a bit for each word of evtchn_pending that changed")]
Pending32 = Annotated[tuple[int, ...], Array(U32("32 ports"), 32, "a bit for each port with a pending event")]
Masked32 = Annotated[tuple[int, ...], Array(U32("32 ports"), 32, "a bit for each port that is held back")]
Pending64 = Annotated[tuple[int, ...], Array(U64("64 ports"), 64, "a bit for each port with a pending event")]
Masked64 = Annotated[tuple[int, ...], Array(U64("64 ports"), 64, "a bit for each port that is held back")]
WallClockVersion = Annotated[int, U32("counted up before and after a change of the wall clock")]
WallClockSeconds = Annotated[int, U32("wall clock at system time 0, since 1970-01-01 00:00 UTC; low half", unit="s")]
WallClockFraction = Annotated[int, U32("the wall clock's fraction", unit="ns")]
WallClockHigh = Annotated[int, U32("the high half of wc_sec", unit="2**32 s")]


@layout(source="formats/xen.md 1.6: vcpu_data")
@frozen
class VcpuData2004:
    """What the page of 2004 has for each vCPU, of which there is one."""

    evtchn_upcall_pending: UpcallPending
    evtchn_upcall_mask: UpcallMask
    pad: Annotated[bytes, Bytes(2, "unused")]


@layout(source="formats/xen.md 1.6: net_idx_t")
@frozen
class NetIdx2004:
    """The ring indexes of one network interface."""

    tx_req_prod: Annotated[int, U32("transmit requests that the guest produced")]
    tx_resp_prod: Annotated[int, U32("transmit responses that Xen produced")]
    tx_event: Annotated[int, U32("the transmit response that raises an event")]
    rx_req_prod: Annotated[int, U32("receive requests that the guest produced")]
    rx_resp_prod: Annotated[int, U32("receive responses that Xen produced")]
    rx_event: Annotated[int, U32("the receive response that raises an event")]


@layout(source="formats/xen.md 1.6: shared_info_t")
@frozen(kw_only=True)
class SharedInfo2004:
    """shared_info of spring 2004: the first 716 octets of the page."""

    vcpu_data: Annotated[VcpuData2004, Nested(VcpuData2004, "of vCPU 0")]
    evtchn_pending: Pending32
    evtchn_pending_sel: PendingSel32
    evtchn_exception: Annotated[tuple[int, ...], Array(U32("32 ports"), 32, "a bit for each port with an exception")]
    evtchn_mask: Masked32
    cpu_freq: Annotated[int, U64("the processor's frequency", unit="Hz")]
    time_version1: Annotated[int, U32("counted up before the times change")]
    time_version2: Annotated[int, U32("counted up after the times changed")]
    tsc_bits: Annotated[int, U32("TSC bits tsc_bitshift .. tsc_bitshift + 31 at the last change of the times")]
    tsc_bitshift: Annotated[int, U32("the lowest TSC bit in tsc_bits", unit="bits")]
    system_time: Annotated[int, U64("time since Xen started", unit="ns")]
    wc_sec: Annotated[int, U32("wall clock since 1970-01-01 00:00 UTC", unit="s")]
    wc_usec: Annotated[int, U32("the wall clock's fraction", unit="us")]
    domain_time: Annotated[int, U64("time that the domain ran", unit="ns")]
    wall_timeout: Annotated[int, U64("system time of the next timer event", unit="ns")]
    domain_timeout: Annotated[int, U64("domain time of the next timer event", unit="ns")]
    net_idx: Annotated[tuple[NetIdx2004, ...], Array(NetIdx2004, 8, "by network interface")]
    execution_context: Annotated[ExecutionContext, Nested(ExecutionContext, "as it was found: its esi is an MFN")]


@layout(source="formats/xen.md 4.6: vcpu_time_info")
@frozen(kw_only=True)
class VcpuTimeInfo:
    """Times: system time is system_time + (((tsc - tsc_timestamp) << tsc_shift) * tsc_to_system_mul >> 32)."""

    version: Annotated[int, U32("counted up before and after a change: odd while one is under way")]
    pad0: Annotated[bytes, Bytes(4, "unused")] = bytes(4)
    tsc_timestamp: Annotated[int, U64("TSC at the last change", unit="cycles")]
    system_time: Annotated[int, U64("time since Xen started, at the last change", unit="ns")]
    tsc_to_system_mul: Annotated[int, U32("ns for each shifted cycle", unit="2**-32 ns")]
    tsc_shift: Annotated[int, S8("left shift of cycles; negative: right", unit="bits")]
    flags: Annotated[int, U8("bit 0: the TSC is stable")] = 0
    pad1: Annotated[bytes, Bytes(2, "unused")] = bytes(2)


@layout(source="formats/xen.md 4.6: vcpu_info, 32-bit")
@frozen(kw_only=True)
class VcpuInfo32:
    """What the page has for each vCPU of a 32-bit guest: 64 octets."""

    evtchn_upcall_pending: UpcallPending
    evtchn_upcall_mask: UpcallMask
    pad: Annotated[bytes, Bytes(2, "unused")] = bytes(2)
    evtchn_pending_sel: PendingSel32
    cr2: Annotated[int, U32("arch.cr2: the last page fault", unit="linear address")]
    arch_pad: Annotated[bytes, Bytes(20, "arch.pad: unused")] = bytes(20)
    time: Annotated[VcpuTimeInfo, Nested(VcpuTimeInfo, "times")]


@layout(source="formats/xen.md 4.6: vcpu_info, 64-bit")
@frozen(kw_only=True)
class VcpuInfo64:
    """What the page has for each vCPU of a 64-bit guest: 64 octets."""

    evtchn_upcall_pending: UpcallPending
    evtchn_upcall_mask: UpcallMask
    pad: Annotated[bytes, Bytes(6, "unused")] = bytes(6)
    evtchn_pending_sel: PendingSel64
    cr2: Annotated[int, U64("arch.cr2: the last page fault", unit="linear address")]
    arch_pad: Annotated[bytes, Bytes(8, "arch.pad: unused")] = bytes(8)
    time: Annotated[VcpuTimeInfo, Nested(VcpuTimeInfo, "times")]


@layout(source="xen/include/public/xen.h, arch-arm.h: vcpu_info")
@frozen(kw_only=True)
class VcpuInfoArm:
    """What the page has for vCPU 0 of an Arm guest: 48 octets; arch_vcpu_info is empty."""

    evtchn_upcall_pending: UpcallPending
    evtchn_upcall_mask: UpcallMask
    pad: Annotated[bytes, Bytes(6, "unused")] = bytes(6)
    evtchn_pending_sel: PendingSel64
    time: Annotated[VcpuTimeInfo, Nested(VcpuTimeInfo, "times")]


@layout(source="formats/xen.md 4.6: arch_shared_info, 32-bit")
@frozen
class Arch32:
    """arch_shared_info of a 32-bit guest: 28 octets."""

    max_pfn: Annotated[int, U32("entries of the P2M", unit="pages")]
    pfn_to_mfn_frame_list_list: Annotated[int, U32("the frame that lists the frame lists of the P2M", unit="MFN")]
    nmi_reason: Annotated[int, U32("why an NMI came")]
    p2m_cr3: Annotated[int, U32("page tables that map the linear P2M", unit="folded CR3")]
    p2m_vaddr: Annotated[int, U32("the linear P2M", unit="linear address")]
    p2m_generation: Annotated[int, U32("counted up before and after a change of the P2M")]
    wc_sec_hi: WallClockHigh


@layout(source="formats/xen.md 4.6: arch_shared_info, 64-bit")
@frozen
class Arch64:
    """arch_shared_info of a 64-bit guest: 48 octets."""

    max_pfn: Annotated[int, U64("entries of the P2M", unit="pages")]
    pfn_to_mfn_frame_list_list: Annotated[int, U64("the frame that lists the frame lists of the P2M", unit="MFN")]
    nmi_reason: Annotated[int, U64("why an NMI came")]
    p2m_cr3: Annotated[int, U64("page tables that map the linear P2M", unit="CR3")]
    p2m_vaddr: Annotated[int, U64("the linear P2M", unit="linear address")]
    p2m_generation: Annotated[int, U64("counted up before and after a change of the P2M")]


@layout(source="formats/xen.md 4.6: shared_info, 32-bit")
@frozen(kw_only=True)
class SharedInfo32:
    """shared_info of a 32-bit guest: 2344 octets."""

    vcpu_info: Annotated[tuple[VcpuInfo32, ...], Array(VcpuInfo32, 32, "by vCPU")]
    evtchn_pending: Pending32
    evtchn_mask: Masked32
    wc_version: WallClockVersion
    wc_sec: WallClockSeconds
    wc_nsec: WallClockFraction
    arch: Annotated[Arch32, Nested(Arch32, "what is i386's own")]


@layout(source="formats/xen.md 4.6: shared_info, 64-bit")
@frozen(kw_only=True)
class SharedInfo64:
    """shared_info of a 64-bit guest: 3136 octets."""

    vcpu_info: Annotated[tuple[VcpuInfo64, ...], Array(VcpuInfo64, 32, "by vCPU")]
    evtchn_pending: Pending64
    evtchn_mask: Masked64
    wc_version: WallClockVersion
    wc_sec: WallClockSeconds
    wc_nsec: WallClockFraction
    wc_sec_hi: WallClockHigh
    arch: Annotated[Arch64, Nested(Arch64, "what is x86-64's own")]


@layout(source="formats/xen.md 2.2 (size); xen/include/public/xen.h, arch-arm.h: shared_info")
@frozen(kw_only=True)
class SharedInfoArm:
    """shared_info of an Arm guest, 32-bit or 64-bit: 1088 octets; arch_shared_info is empty."""

    vcpu_info: Annotated[tuple[VcpuInfoArm, ...], Array(VcpuInfoArm, 1, "of vCPU 0")]
    evtchn_pending: Pending64
    evtchn_mask: Masked64
    wc_version: WallClockVersion
    wc_sec: WallClockSeconds
    wc_nsec: WallClockFraction
    wc_sec_hi: WallClockHigh


@frozen
class Abi:
    """One kind of shared-info page: its code in records, its name in states, the layout at its start.

    ``flags`` is what a v10 record of it says; None where Xen has no such record.
    """

    code: int
    name: str
    layout: type[Any]
    flags: int | None

    @property
    def size(self) -> int:
        """Octets of the structure; the rest of the page is not Xen's."""
        return size_of(self.layout)


COMPAT: Final = 1 << 0
"""Bit 0 of a v10 record's flags: the 32-bit layout (formats/xen.md 2.2)."""

ABIS: Final = (
    Abi(1, XEN_2004_I386, SharedInfo2004, None),
    Abi(2, XEN_X86_32, SharedInfo32, COMPAT),
    Abi(3, XEN_X86_64, SharedInfo64, 0),
    Abi(4, XEN_ARM, SharedInfoArm, 0),
)
"""The pages that a record can hold; codes are never reused."""

ABI_NAMES: Final[Mapping[int, str]] = MappingProxyType({abi.code: abi.name for abi in ABIS})


def abi_of(code: int) -> Abi | None:
    """The ABI of a record's code; None where it is not known."""
    return next((abi for abi in ABIS if abi.code == code), None)


def abi_named(name: str) -> Abi | None:
    """The ABI of a state's name; None where it is not known."""
    return next((abi for abi in ABIS if abi.name == name), None)


@layout(source="DESIGN.md section 4: SHARED_INFO_PAGE")
@frozen(kw_only=True)
class PageBody:
    """The body of a SHARED_INFO_PAGE record: 4104 octets."""

    abi: Annotated[int, U32("whose layout the page has", names=ABI_NAMES)]
    reserved: Annotated[bytes, Reserved(4)] = bytes(4)
    page: Annotated[bytes, Bytes(PAGE_SIZE, "the whole page, as its source gave it")]


@layout(source="formats/xen.md 2.2: SHARED_INFO")
@frozen
class SharedInfoBody:
    """The body of Xen's own SHARED_INFO record: 4 octets and the structure."""

    flags: Annotated[int, U32("bit 0: the 32-bit layout; the others must be 0")]
    buffer: Annotated[bytes, Blob("shared_info: 3136 octets of x86-64, 2344 with bit 0, 1088 of Arm")]
