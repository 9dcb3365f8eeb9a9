"""HVM_CONTEXT and HVM_PARAMS; what it does stands in the other rooms, imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence

from domctx.api import RecordType
from domctx.hookspecs import hookimpl


@hookimpl
def domctx_record_types() -> Sequence[RecordType]:
    """None yet."""
    return []
