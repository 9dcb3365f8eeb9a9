"""PAGE_TABLES: page types, P2M frame list and page tables of paravirtualised guests, canonicalised and localised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from domctx_page_tables.batches import (
        canonicalise_batch as canonicalise_batch,
        check_batch as check_batch,
        localise_batch as localise_batch,
    )
    from domctx_page_tables.canonical import (
        canonicalise as canonicalise,
        check as check,
        foreign_entries as foreign_entries,
        localise as localise,
    )
    from domctx_page_tables.frame_map import NO_PFN as NO_PFN, FrameMap as FrameMap
    from domctx_page_tables.rules import check_frame_list as check_frame_list, check_pfn as check_pfn
    from domctx_page_tables.stored import StoredPageTables as StoredPageTables

_HOMES = {
    "batches": ("canonicalise_batch", "check_batch", "localise_batch"),
    "canonical": ("canonicalise", "check", "foreign_entries", "localise"),
    "frame_map": ("NO_PFN", "FrameMap"),
    "rules": ("check_frame_list", "check_pfn"),
    "stored": ("StoredPageTables",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'domctx_page_tables' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"domctx_page_tables.{_HOME[name]}"), name)
