"""Octets of the record PAGE_TABLES (0x00010030): a fixed head, and a CBOR tail of packed runs."""

from typing import Annotated, Any, Final

import attrs

from domctx.schema import U8, U32, Cbor, Reserved, layout
from domctx.values import frozen

CODE: Final = 0x0001_0030
NAME: Final = "PAGE_TABLES"

TYPE_RUN: Final = (("count", "<u4"), ("type", "u1"))
"""One run of pages of one type: u32 how many, u8 PageType; 5 octets, packed."""

FRAME_RUN: Final = (("first", "<u8"), ("count", "<u4"))
"""One run of consecutive PFNs of the frame list: u64 the first, u32 how many; 12 octets, packed."""


@layout(source="domctx, docs: record PAGE_TABLES")
@frozen
class PageTablesBody:
    """Body of PAGE_TABLES.

    ``tail`` is a dict. "types": octets, TYPE_RUNs that cover every PFN in order, no two neighbours alike.
    "frame_list": octets, FRAME_RUNs of the PFNs of the frames that hold the P2M, no two that could be one.
    "special": list of [pfn, index, flags, target], ascending by pfn and index.
    "suspension": None, or a dict of "registers" (name to value) and "displaced" (list of [pfn, octets], ascending;
    4096 octets, or none for a page of zeros).
    """

    width: Annotated[int, U8("a page-table entry", unit="octets")]
    levels: Annotated[int, U8("levels of page tables", unit="tables")]
    reserved: Annotated[bytes, Reserved(2)] = attrs.field(default=bytes(2), init=False)
    pfns: Annotated[int, U32("N, pages of the domain", unit="pages")]
    tail: Annotated[Any, Cbor("types, frame_list, special, suspension")]
