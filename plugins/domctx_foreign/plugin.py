"""FOREIGN_HEAD and FOREIGN_TAIL; what is done with them stands in ``records``."""

from __future__ import annotations

from domctx.api import Instances, RecordType, StateKey, later
from domctx.hookspecs import hookimpl
from domctx.states import FOREIGN_HEAD, FOREIGN_TAIL, Foreign


def _type(code: int, name: str, summary: str, state: StateKey[Foreign]) -> RecordType:
    return RecordType(
        code=code,
        name=name,
        summary=summary,
        state=state,
        instances=Instances.DENSE,
        body="domctx_foreign.layout:ForeignBody",
        max_body=64 << 20,
        save=later("domctx_foreign.records:save"),
        load=later("domctx_foreign.records:load"),
        new_state=later("domctx_foreign.records:new_state"),
        exact_size=later("domctx_foreign.records:exact_size"),
        show=later("domctx_foreign.records:show"),
    )


@hookimpl
def domctx_record_types() -> list[RecordType]:
    """FOREIGN_HEAD and FOREIGN_TAIL."""
    return [
        _type(0x0001_0020, "FOREIGN_HEAD", "what a source format had before memory, as it stood there", FOREIGN_HEAD),
        _type(0x0001_FE00, "FOREIGN_TAIL", "what a source format had behind, as it stood there", FOREIGN_TAIL),
    ]
