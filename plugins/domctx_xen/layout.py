"""The octets of Xen's streams: headers, record headers and page words. Source: formats/xen.md 2.6, 4.1 to 4.3, 5."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

from domctx.schema import U8, U16, U32, U64, Array, Bytes, layout, size_of
from domctx.values import frozen

SCHEME: Final = "xen"
PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 4096

XL_MAGIC: Final = b"Xen saved domain, xl format\n \0 \r"
LIBXL_MAGIC: Final = b"LibxlFmt"
LIBXC_MARKER: Final = b"\xff" * 8
LIBXC_ID: Final = b"XENF"

BYTE_ORDER: Final = 0x0102_0304
BIG_ENDIAN: Final = 1
"""Bit 0 of the options of libxl and libxc: everything behind the header is big-endian."""
LEGACY: Final = 2
"""Bit 1 of libxl's options: the stream was made by convert-legacy-stream."""
XL_JSON: Final = 1
XL_STREAM_V2: Final = 2
LIBXL_VERSION: Final = 2
VERSIONS: Final = (2, 3, 4)
"""Of libxc streams; 4 is that of the domain-context series."""

PV: Final = 1
HVM: Final = 2

MAX_BODY: Final = 128 << 20
"""Octets of the largest body that Xen's tools take."""
OPTIONAL: Final = 1 << 31
"""A record with this bit in its type may be skipped."""

END: Final = 0x00
PAGE_DATA: Final = 0x01
PV_INFO: Final = 0x02
P2M_FRAMES: Final = 0x03
VCPU_BASIC: Final = 0x04
VCPU_EXTENDED: Final = 0x05
VCPU_XSAVE: Final = 0x06
SHARED_INFO: Final = 0x07
TSC_INFO: Final = 0x08
HVM_CONTEXT: Final = 0x09
HVM_PARAMS: Final = 0x0A
TOOLSTACK: Final = 0x0B
VCPU_MSRS: Final = 0x0C
VERIFY: Final = 0x0D
CHECKPOINT: Final = 0x0E
DIRTY_PFNS: Final = 0x0F
STATIC_DATA_END: Final = 0x10
CPUID_POLICY: Final = 0x11
MSR_POLICY: Final = 0x12
DOMAIN_CONTEXT: Final = 0x13

LIBXC_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        END: "END",
        PAGE_DATA: "PAGE_DATA",
        PV_INFO: "X86_PV_INFO",
        P2M_FRAMES: "X86_PV_P2M_FRAMES",
        VCPU_BASIC: "X86_PV_VCPU_BASIC",
        VCPU_EXTENDED: "X86_PV_VCPU_EXTENDED",
        VCPU_XSAVE: "X86_PV_VCPU_XSAVE",
        SHARED_INFO: "SHARED_INFO",
        TSC_INFO: "X86_TSC_INFO",
        HVM_CONTEXT: "HVM_CONTEXT",
        HVM_PARAMS: "HVM_PARAMS",
        TOOLSTACK: "TOOLSTACK",
        VCPU_MSRS: "X86_PV_VCPU_MSRS",
        VERIFY: "VERIFY",
        CHECKPOINT: "CHECKPOINT",
        DIRTY_PFNS: "CHECKPOINT_DIRTY_PFN_LIST",
        STATIC_DATA_END: "STATIC_DATA_END",
        CPUID_POLICY: "X86_CPUID_POLICY",
        MSR_POLICY: "X86_MSR_POLICY",
        DOMAIN_CONTEXT: "DOMAIN_CONTEXT",
    }
)
VCPU_RECORDS: Final = (VCPU_BASIC, VCPU_EXTENDED, VCPU_XSAVE, VCPU_MSRS)
PV_ONLY: Final = (PV_INFO, P2M_FRAMES, *VCPU_RECORDS, SHARED_INFO)
HVM_ONLY: Final = (HVM_CONTEXT, HVM_PARAMS)
EMPTY: Final = (END, VERIFY, CHECKPOINT, STATIC_DATA_END)
"""Records without a body."""

LIBXL_END: Final = 0
LIBXC_CONTEXT: Final = 1
EMULATOR_XENSTORE_DATA: Final = 2
EMULATOR_CONTEXT: Final = 3
CHECKPOINT_END: Final = 4
CHECKPOINT_STATE: Final = 5

LIBXL_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        LIBXL_END: "END",
        LIBXC_CONTEXT: "LIBXC_CONTEXT",
        EMULATOR_XENSTORE_DATA: "EMULATOR_XENSTORE_DATA",
        EMULATOR_CONTEXT: "EMULATOR_CONTEXT",
        CHECKPOINT_END: "CHECKPOINT_END",
        CHECKPOINT_STATE: "CHECKPOINT_STATE",
    }
)
LIBXL_EMPTY: Final = (LIBXL_END, LIBXC_CONTEXT, CHECKPOINT_END)

PFN_BITS: Final = 52
TYPE_BITS: Final = 60
BROKEN: Final = 0xD
XALLOC: Final = 0xE
XTAB: Final = 0xF
PAGE_TYPES: Final = (0x0, 0x1, 0x2, 0x3, 0x4, 0x9, 0xA, 0xB, 0xC, BROKEN, XALLOC, XTAB)
"""The types that a page word may have: NOTAB, L1TAB to L4TAB, the same pinned, and three without octets."""


@layout(source="formats/xen.md 5.1: xl header")
@frozen(kw_only=True)
class XlHeader:
    """The first 48 octets of a file of xl; ``optional_data_len`` octets follow."""

    magic: Annotated[bytes, Bytes(32, "what begins the file")] = XL_MAGIC
    byteorder: Annotated[int, U32("0x01020304 as the writer's machine has it")] = BYTE_ORDER
    mandatory_flags: Annotated[int, U32("bit 0: JSON configuration; bit 1: a libxl stream follows")] = XL_STREAM_V2
    optional_flags: Annotated[int, U32("none is known; not looked at")] = 0
    optional_data_len: Annotated[int, U32("the optional data", unit="octets")] = 4


@layout(source="formats/xen.md 5.2: libxl stream header", byte_order="big")
@frozen(kw_only=True)
class LibxlHeader:
    """The first 16 octets of a libxl stream; always big-endian."""

    ident: Annotated[bytes, Bytes(8, "LibxlFmt")] = LIBXL_MAGIC
    version: Annotated[int, U32("version of the stream")] = LIBXL_VERSION
    options: Annotated[int, U32("bit 0: big-endian; bit 1: made from a legacy stream")] = 0


@layout(source="formats/xen.md 4.1: image header", byte_order="big")
@frozen(kw_only=True)
class ImageHeader:
    """The first 24 octets of a libxc stream; always big-endian."""

    marker: Annotated[bytes, Bytes(8, "all ones")] = LIBXC_MARKER
    id: Annotated[bytes, Bytes(4, "XENF")] = LIBXC_ID
    version: Annotated[int, U32("version of the stream")] = 3
    options: Annotated[int, U16("bit 0: big-endian; the others are zero")] = 0
    reserved: Annotated[bytes, Bytes(6, "zero")] = bytes(6)


@layout(source="formats/xen.md 4.1: domain header")
@frozen(kw_only=True)
class DomainHeader:
    """What follows the image header: 16 octets."""

    type: Annotated[int, U32("1: x86 PV; 2: x86 HVM and PVH")]
    page_shift: Annotated[int, U16("pages are of 1 << page_shift octets")] = PAGE_SHIFT
    reserved: Annotated[int, U16("zero")] = 0
    xen_major: Annotated[int, U32("of the Xen that saved; 0 where a legacy stream was converted")]
    xen_minor: Annotated[int, U32("of the Xen that saved; the converter's version in a converted stream")]


@layout(source="formats/xen.md 4.2: record header")
@frozen
class RecordHeader:
    """What begins a record of libxc and of libxl."""

    type: Annotated[int, U32("what the record holds; bit 31: it may be skipped")]
    length: Annotated[int, U32("the body, without padding to a multiple of 8", unit="octets")]


@layout(source="formats/xen.md 4.2: X86_PV_INFO")
@frozen
class PvInfo:
    """What a paravirtualised guest is; only (4, 3) and (8, 4) are valid."""

    guest_width: Annotated[int, U8("the guest's machine word", unit="octets")]
    pt_levels: Annotated[int, U8("levels of page tables")]
    reserved: Annotated[bytes, Bytes(6, "zero")] = bytes(6)


@layout(source="formats/xen.md 4.2: X86_PV_P2M_FRAMES")
@frozen
class P2mFrames:
    """The head of the list of the frames that hold the P2M; u64 PFNs follow."""

    start_pfn: Annotated[int, U32("first PFN that the frames tell of")]
    end_pfn: Annotated[int, U32("last PFN that the frames tell of")]


@layout(source="formats/xen.md 4.2: X86_PV_VCPU_BASIC and its likes")
@frozen
class VcpuHead:
    """The head of a record about one vCPU; its octets follow."""

    vcpu_id: Annotated[int, U32("the vCPU")]
    reserved: Annotated[int, U32("zero")] = 0


@layout(source="formats/xen.md 4.2: X86_TSC_INFO")
@frozen
class TscBody:
    """The whole body."""

    mode: Annotated[int, U32("0 default, 1 always emulate, 2 never")]
    khz: Annotated[int, U32("the guest's TSC frequency", unit="kHz")]
    nsec: Annotated[int, U64("guest time that has elapsed", unit="ns")]
    incarnation: Annotated[int, U32("how often the state was set")]
    reserved: Annotated[int, U32("zero")] = 0


@layout(source="formats/xen.md 4.2: HVM_PARAMS, and 4.3: PAGE_DATA")
@frozen
class Counted:
    """The head of HVM_PARAMS and of PAGE_DATA."""

    count: Annotated[int, U32("entries that follow")]
    reserved: Annotated[int, U32("zero")] = 0


@layout(source="formats/xen.md 4.2: X86_CPUID_POLICY")
@frozen
class CpuidLeaf:
    """One entry of the record."""

    leaf: Annotated[int, U32("leaf")]
    subleaf: Annotated[int, U32("subleaf; all ones: there are none")]
    registers: Annotated[tuple[int, ...], Array(U32("EAX, EBX, ECX, EDX"), 4, "what CPUID gives")]


@layout(source="formats/xen.md 4.2: X86_MSR_POLICY")
@frozen
class MsrEntry:
    """One entry of the record."""

    index: Annotated[int, U32("the MSR")]
    flags: Annotated[int, U32("zero")]
    value: Annotated[int, U64("its value")]


@layout(source="formats/xen.md 5.2: EMULATOR_CONTEXT and EMULATOR_XENSTORE_DATA")
@frozen
class EmulatorHead:
    """The head of both; the emulator's octets follow."""

    emulator_id: Annotated[int, U32("0 unknown, 1 QEMU traditional, 2 QEMU upstream")]
    index: Annotated[int, U32("which of them")]


RECORD_HEADER: Final = size_of(RecordHeader)
IMAGE_HEADER: Final = size_of(ImageHeader)
LIBXC_HEADERS: Final = IMAGE_HEADER + size_of(DomainHeader)


def padded(length: int) -> int:
    """Octets of a body with its padding."""
    return (length + 7) & ~7


def libxc_name(type: int) -> str:
    """How messages name a record of libxc."""
    known = LIBXC_NAMES.get(type & ~OPTIONAL)
    return known if known is not None and not type & OPTIONAL else f"record 0x{type:08x}"


def libxl_name(type: int) -> str:
    """How messages name a record of libxl."""
    return LIBXL_NAMES.get(type) or f"record 0x{type:08x}"
