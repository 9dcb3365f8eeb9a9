"""start_info as guests of today's Xen have it: 64 bits and 32 bits (formats/xen.md 4.6).

The guest may write into this page: texts are octets that are kept as they are found.
"""

from typing import Annotated, Any, Final

import numpy as np

from domctx.schema import U32, U64, Bytes, decode, encode, layout, size_of
from domctx.values import frozen
from domctx_sim.arrays import Words
from domctx_sim.platforms import FOUR_LEVEL, Platform

MAGIC_64: Final = b"xen-3.0-x86_64"
MAGIC_32: Final = b"xen-3.0-x86_32p"


@layout(source="formats/xen.md 4.6: start_info, 64-bit")
@frozen(kw_only=True)
class StartInfo64:
    """What a 64-bit guest finds at the address that RSI holds when it starts: 1168 octets."""

    magic: Annotated[bytes, Bytes(32, "the ABI, NUL padded")]
    nr_pages: Annotated[int, U64("pages of the domain", unit="pages")]
    shared_info: Annotated[int, U64("the shared-info frame", unit="machine address")]
    flags: Annotated[int, U32("bit 0 privileged, bit 1 initial domain")] = 0
    pad0: Annotated[bytes, Bytes(4, "unused")] = bytes(4)
    store_mfn: Annotated[int, U64("the page of xenstore's ring; a PFN where it is canonical", unit="MFN")]
    store_evtchn: Annotated[int, U32("its event channel")] = 0
    pad1: Annotated[bytes, Bytes(4, "unused")] = bytes(4)
    console_mfn: Annotated[int, U64("the page of the console's ring; a PFN where it is canonical", unit="MFN")]
    console_evtchn: Annotated[int, U32("its event channel")] = 0
    pad2: Annotated[bytes, Bytes(4, "unused")] = bytes(4)
    pt_base: Annotated[int, U64("the top-level page table", unit="linear address")]
    nr_pt_frames: Annotated[int, U64("page-table frames", unit="pages")]
    mfn_list: Annotated[int, U64("the P2M", unit="linear address")]
    mod_start: Annotated[int, U64("the initrd; 0 for none", unit="linear address")]
    mod_len: Annotated[int, U64("the initrd's length", unit="octets")]
    cmd_line: Annotated[bytes, Bytes(1024, "the command line, NUL padded")]
    first_p2m_pfn: Annotated[int, U64("the first page of the P2M", unit="PFN")]
    nr_p2m_frames: Annotated[int, U64("pages of the P2M", unit="pages")]


@layout(source="formats/xen.md 4.6: start_info, 32-bit")
@frozen(kw_only=True)
class StartInfo32:
    """What a 32-bit guest finds at the address that ESI holds when it starts: 1112 octets."""

    magic: Annotated[bytes, Bytes(32, "the ABI, NUL padded")]
    nr_pages: Annotated[int, U32("pages of the domain", unit="pages")]
    shared_info: Annotated[int, U32("the shared-info frame", unit="machine address")]
    flags: Annotated[int, U32("bit 0 privileged, bit 1 initial domain")] = 0
    store_mfn: Annotated[int, U32("the page of xenstore's ring; a PFN where it is canonical", unit="MFN")]
    store_evtchn: Annotated[int, U32("its event channel")] = 0
    console_mfn: Annotated[int, U32("the page of the console's ring; a PFN where it is canonical", unit="MFN")]
    console_evtchn: Annotated[int, U32("its event channel")] = 0
    pt_base: Annotated[int, U32("the top-level page table", unit="linear address")]
    nr_pt_frames: Annotated[int, U32("page-table frames", unit="pages")]
    mfn_list: Annotated[int, U32("the P2M", unit="linear address")]
    mod_start: Annotated[int, U32("the initrd; 0 for none", unit="linear address")]
    mod_len: Annotated[int, U32("the initrd's length", unit="octets")]
    cmd_line: Annotated[bytes, Bytes(1024, "the command line, NUL padded")]
    first_p2m_pfn: Annotated[int, U32("the first page of the P2M", unit="PFN")]
    nr_p2m_frames: Annotated[int, U32("pages of the P2M", unit="pages")]


def layout_of(platform: Platform) -> type[Any]:
    """The layout that a platform's guests have."""
    return StartInfo64 if platform is FOUR_LEVEL else StartInfo32


def magic_of(platform: Platform) -> bytes:
    """What ``magic`` holds."""
    return (MAGIC_64 if platform is FOUR_LEVEL else MAGIC_32).ljust(32, b"\0")


def read(page: Words, platform: Platform) -> Any:
    """The structure at the start of a page u32[1024]."""
    kind = layout_of(platform)
    return decode(kind, page.tobytes()[: size_of(kind)])


def write(page: Words, info: Any) -> None:
    """Put the structure at the start of a page u32[1024]."""
    words = np.frombuffer(encode(info), "<u4")
    page[: len(words)] = words
