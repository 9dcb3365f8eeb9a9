"""One MEMORY record as JSON: what it covers and how it is packed, not the pages themselves."""

from __future__ import annotations

from domctx.api import JSON, Context, Record
from domctx.errors import DomctxError
from domctx.wire import record_name
from domctx_memory.layout import NAME, Codec
from domctx_memory.page_map import PageMap, check_place, read_map
from domctx_memory.pages import kind_counts, type_counts


def show(record: Record, context: Context) -> JSON:
    """The head, how many pages of each kind, frames, codec and stored size. Raises RecordError as ``load``."""
    length = record.length
    try:
        page_map = read_map(record.rest(), length)
        check_place(page_map.head, context.machine.blocks)
    except DomctxError as error:
        error.at(record=record_name(NAME, record.instance), offset=record.offset)
        raise
    return {"block": context.machine.blocks[page_map.head.block].name, **_described(page_map)}


def _described(page_map: PageMap) -> dict[str, JSON]:
    head = page_map.head
    described: dict[str, JSON] = {
        "first": f"0x{head.first:x}",
        "count": head.count,
        "page_size": 1 << head.page_shift,
        "kinds": kind_counts(page_map.kinds),
        "codec": Codec(head.codec).name.lower(),
        "frames": len(page_map.entries),
        "octets": head.data << head.page_shift,
        "stored": page_map.starts[-1] - page_map.starts[0],
    }
    if page_map.types is not None:
        described["types"] = type_counts(page_map.types)
    return described
