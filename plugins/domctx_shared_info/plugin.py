"""SHARED_INFO_PAGE and Xen's own SHARED_INFO; what is done with them stands in ``records``."""

from __future__ import annotations

from domctx.api import Images, RecordType, later
from domctx.hookspecs import hookimpl
from domctx.states import SHARED_INFO


@hookimpl
def domctx_record_types() -> list[RecordType]:
    """SHARED_INFO_PAGE and SHARED_INFO."""
    return [
        RecordType(
            code=0x0001_0220,
            name="SHARED_INFO_PAGE",
            summary="the page that guest and hypervisor share, whole, and whose layout it has",
            state=SHARED_INFO,
            body="domctx_shared_info.layout:PageBody",
            max_body=4096 + 8,
            save=later("domctx_shared_info.records:save_page"),
            load=later("domctx_shared_info.records:load_page"),
            new_state=later("domctx_shared_info.records:new_state"),
            exact_size=later("domctx_shared_info.records:page_size"),
            show=later("domctx_shared_info.records:show_page"),
            diff=later("domctx_shared_info.records:diff_page"),
        ),
        RecordType(
            code=2,
            name="SHARED_INFO",
            summary="Xen's shared_info, derived from the page for a plain v10 image",
            state=SHARED_INFO,
            body="domctx_shared_info.layout:SharedInfoBody",
            max_body=4 + 4096,
            save=later("domctx_shared_info.records:save_record"),
            load=later("domctx_shared_info.records:load_record"),
            new_state=later("domctx_shared_info.records:new_state"),
            exact_size=later("domctx_shared_info.records:record_octets"),
            show=later("domctx_shared_info.records:show_record"),
            diff=later("domctx_shared_info.records:diff_record"),
            images=Images.PLAIN,
        ),
    ]
