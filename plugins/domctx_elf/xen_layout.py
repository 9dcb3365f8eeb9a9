"""Octets of Xen's own core format, version 0.1: sections and no segments (formats/xen.md 7)."""

from typing import Annotated, Final

from domctx.schema import U64, Bytes, layout
from domctx.values import frozen

NOTES, PRSTATUS, SHARED_INFO = ".note.Xen", ".xen_prstatus", ".xen_shared_info"
PAGES, P2M, PFN = ".xen_pages", ".xen_p2m", ".xen_pfn"
NAMES: Final = ".shstrtab"
OWNER: Final = b"Xen"
NT_NONE, NT_HEADER, NT_VERSION, NT_FORMAT = 0x200_0000, 0x200_0001, 0x200_0002, 0x200_0003
MAGIC_PV, MAGIC_HVM = 0xF00F_EBED, 0xF00F_EBEE
FORMAT: Final = 1
"""Version 0.1: major in the high half, minor in the low one."""
NO_PAGE: Final = (1 << 64) - 1
"""PFN and MFN of an entry that describes no page; such stand at the end."""


@layout(source="formats/xen.md 7: HEADER")
@frozen(kw_only=True)
class XenHeader:
    """The contents of the note HEADER: 32 octets."""

    magic: Annotated[int, U64("0xf00febed: paravirtualised; 0xf00febee: HVM")]
    nr_vcpus: Annotated[int, U64("contexts in .xen_prstatus")]
    nr_pages: Annotated[int, U64("pages in .xen_pages")]
    page_size: Annotated[int, U64("4096", unit="octets")] = 4096


@layout(source="formats/xen.md 7: XEN_VERSION")
@frozen(kw_only=True)
class XenVersion:
    """The contents of the note XEN_VERSION: 1280 octets."""

    major: Annotated[int, U64("of Xen's release")] = 0
    minor: Annotated[int, U64("of Xen's release")] = 0
    extra: Annotated[bytes, Bytes(16, "text, NUL-padded")] = bytes(16)
    compiled: Annotated[bytes, Bytes(144, "by whom and when, NUL-padded")] = bytes(144)
    capabilities: Annotated[bytes, Bytes(1024, "text, NUL-padded")] = bytes(1024)
    changeset: Annotated[bytes, Bytes(64, "text, NUL-padded")] = bytes(64)
    virt_start: Annotated[int, U64("where Xen's own addresses begin")] = 0
    page_size: Annotated[int, U64("4096", unit="octets")] = 4096
