"""Whether a record type's declaration is sound, before anything is saved with it."""

from __future__ import annotations

from collections.abc import Iterator

from domctx import declaration
from domctx.api import RecordType
from domctx.schema import size_of
from domctx.wire import CORE_CODES, OPTIONAL, code_range


def problems(record_type: RecordType) -> Iterator[str]:
    """What is wrong with a declaration, as sentences: what no start of domctx accepts, and what only tests look at."""
    code, name = record_type.code, record_type.name
    if not 0 <= code < OPTIONAL or code in CORE_CODES:
        yield f"the code 0x{code:08x} is the core's own, or has bit 31 set (optional=True sets it)"
    elif code_range(code).owner not in ("xen", "bundled") and "/" not in name:
        yield f"the name {name!r} has no namespace: name it vendor/type"
    yield from declaration.problems(record_type)
    if record_type.layout is not None and size_of(record_type.layout) > record_type.max_body:
        size = size_of(record_type.layout)
        yield f"max_body is {record_type.max_body}, but the layout's fixed part alone takes {size} octets"
