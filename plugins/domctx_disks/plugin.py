"""DISKS: which disks a machine had when it was saved; what is done with it stands in ``records``."""

from __future__ import annotations

from domctx.api import RecordType, later
from domctx.hookspecs import hookimpl
from domctx_disks.states import DISKS


@hookimpl
def domctx_record_types() -> list[RecordType]:
    """DISKS."""
    return [
        RecordType(
            code=0x0001_0310,
            name="DISKS",
            summary="the disks that the machine could write to: their files, sizes and modification times",
            state=DISKS,
            body="domctx_disks.layout:DisksBody",
            max_body=1 << 20,
            save=later("domctx_disks.records:save"),
            load=later("domctx_disks.records:load"),
            new_state=later("domctx_disks.records:new_state"),
            exact_size=later("domctx_disks.records:exact_size"),
            show=later("domctx_disks.records:show"),
            diff=later("domctx_disks.records:diff"),
            counted=False,
        )
    ]
