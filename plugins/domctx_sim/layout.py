"""The structs and numbers of Xen's interface in spring 2004: page-table updates, start_info, dom0 operations.

Everything is i386: little-endian, ``unsigned long`` of four octets, a domain id of eight octets aligned to four.
Source: formats/xen.md 1.4 to 1.8 and 6.4, and xen/include/hypervisor-ifs/ at commit 8babea8308 (names and numbers).
"""

import enum
from typing import Annotated, Final

from domctx.schema import S32, S64, U32, U64, Bytes, Nested, Text, layout
from domctx.values import frozen
from domctx_x86 import I386_2LEVEL

WORDS: Final = 1024
"""Words of four octets in a page, and so entries of a page table."""

MAX_FRAMES: Final = I386_2LEVEL.max_mfns
"""Frames of a machine of 2004: 4 GiB."""

PRIVATE_START: Final = I386_2LEVEL.hypervisor_start + (4 << 20)
"""Linear addresses from here on no guest may reach by any segment: below lies the M2P, which it may read."""

ABI: Final = "xen-2004-i386"
CONTEXT_SIZE: Final = 2516
"""Octets of full_execution_context_t (formats/xen.md 1.4)."""
MAX_NAME: Final = 16
"""MAX_DOMAIN_NAME: octets of a domain's name with its NUL."""
MAX_CMDLINE: Final = 256
"""Octets of start_info's command line with its NUL."""
MAX_VIFS: Final = 8
"""MAX_DOMAIN_VIFS: as many as shared_info.net_idx has places (formats/xen.md 1.6)."""

L1_PROT: Final = 0x023
"""PRESENT, RW, ACCESSED: how the builder maps a page (formats/xen.md 6.4)."""
L1_READ_ONLY: Final = 0x021
L2_PROT: Final = 0x067
"""PRESENT, RW, USER, ACCESSED, DIRTY: the builder's entries of the page directory (formats/xen.md 6.4)."""

SUBJECT_PAGE_TABLES: Final = 1 << 14
"""SET_PAGETABLE_SUBJECTDOM: in the value of SET_SUBJECTDOM_H, the domain is also the owner of the page tables."""


class Update(enum.IntEnum):
    """The low two bits of an update's ``ptr`` (formats/xen.md 1.5)."""

    NORMAL = 0
    MACHPHYS = 2
    EXTENDED = 3


class Command(enum.IntEnum):
    """The low eight bits of an EXTENDED update's ``val`` (formats/xen.md 1.5)."""

    PIN_L1_TABLE = 0
    PIN_L2_TABLE = 1
    PIN_L3_TABLE = 2
    PIN_L4_TABLE = 3
    UNPIN_TABLE = 4
    NEW_BASEPTR = 5
    TLB_FLUSH = 6
    INVLPG = 7
    SET_LDT = 8
    SET_SUBJECTDOM_L = 9
    SET_SUBJECTDOM_H = 10


class DomainState(enum.IntEnum):
    """``state`` of GETDOMAININFO (formats/xen.md 1.5)."""

    ACTIVE = 0
    STOPPED = 1


@layout(source="formats/xen.md 6.3: page_update_request_t, mmu_update_t since 2004")
@frozen
class MmuUpdate:
    """One page-table update: ``*ptr = val``, or what the low two bits of ``ptr`` say."""

    ptr: Annotated[int, U32("where; the low two bits say what kind of update", unit="machine address")]
    val: Annotated[int, U32("what is written there, or the command")]


@layout(source="formats/xen.md 1.7: start_info_t with the extension of spring 2004")
@frozen
class StartInfo:
    """What a guest finds at the address that ESI holds when it starts; the basic part is the first 288 octets."""

    nr_pages: Annotated[int, U32("pages of the domain", unit="pages")]
    shared_info: Annotated[int, U32("the shared-info frame", unit="machine address")]
    flags: Annotated[int, U32("bit 0 privileged, bit 1 initial domain")]
    pt_base: Annotated[int, U32("the page directory", unit="linear address")]
    nr_pt_frames: Annotated[int, U32("page-table frames from pt_base on", unit="pages")]
    mfn_list: Annotated[int, U32("the P2M", unit="linear address")]
    mod_start: Annotated[int, U32("the initrd; 0 for none", unit="linear address")]
    mod_len: Annotated[int, U32("the initrd's length", unit="octets")]
    cmd_line: Annotated[str, Text(MAX_CMDLINE, "the command line")]
    domain_controller_evtchn: Annotated[int, U32("event channel to the control tools; the extension")] = 0


@layout(source="formats/xen.md 1.7: suspend_record_t")
@frozen
class SuspendRecord:
    """What ESI points to, as a frame number, while a domain is suspended."""

    resume_info: Annotated[StartInfo, Nested(StartInfo, "start_info as the guest finds it when it goes on")]
    pfn_to_mfn_frame_list: Annotated[int, U32("the frame that lists the P2M's frames", unit="MFN")]
    nr_pfns: Annotated[int, U32("pages of the P2M", unit="pages")]


@layout(source="xen/include/hypervisor-ifs/dom0_ops.h at 8babea8308: dom0_createdomain_t")
@frozen
class CreateDomain:
    """DOM0_CREATEDOMAIN, 8."""

    memory_kb: Annotated[int, U32("memory to give to the domain", unit="KiB")]
    name: Annotated[str, Text(MAX_NAME, "the domain's name")]
    domain: Annotated[int, U64("out: the new domain's id")] = 0


@layout(source="formats/xen.md 1.8 step 15: dom0_builddomain_t")
@frozen
class BuildDomain:
    """DOM0_BUILDDOMAIN, 13: 2528 octets."""

    domain: Annotated[int, U64("domain id")]
    num_vifs: Annotated[int, U32("virtual network interfaces to add")]
    context: Annotated[bytes, Bytes(CONTEXT_SIZE, "full_execution_context_t, in machine frames")]


@layout(source="xen/include/hypervisor-ifs/dom0_ops.h at 8babea8308: dom0_getdomaininfo_t")
@frozen
class DomainInfo:
    """DOM0_GETDOMAININFO, 12."""

    domain: Annotated[int, U64("domain id")]
    name: Annotated[str, Text(MAX_NAME, "the domain's name")]
    processor: Annotated[int, S32("processor that the domain is bound to")]
    has_cpu: Annotated[int, S32("1 while it runs on a processor")]
    state: Annotated[int, S32("ACTIVE or STOPPED", names=DomainState)]
    hyp_events: Annotated[int, S32("pending hypervisor events")]
    tot_pages: Annotated[int, U32("pages that the domain holds", unit="pages")]
    cpu_time: Annotated[int, S64("processor time used", unit="ns")]
    shared_info_frame: Annotated[int, U32("the shared-info frame", unit="MFN")]
    context: Annotated[bytes, Bytes(CONTEXT_SIZE, "full_execution_context_t, in machine frames")]


@layout(source="xen/include/hypervisor-ifs/dom0_ops.h at 8babea8308: dom0_getpageframeinfo_t")
@frozen
class PageFrameInfo:
    """DOM0_GETPAGEFRAMEINFO, 18."""

    pfn: Annotated[int, U32("the frame to ask about", unit="MFN")]
    domain: Annotated[int, U64("the domain that should own it")]
    type: Annotated[int, U32("out: NONE, L1TAB .. L4TAB")] = 0
