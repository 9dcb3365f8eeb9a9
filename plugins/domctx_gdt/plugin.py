"""GDT: one vCPU's, its frames canonical; the instance is the vCPU id. What is done with it stands in ``records``."""

from __future__ import annotations

from domctx.api import Instances, RecordType, StateProvider, later
from domctx.hookspecs import hookimpl
from domctx.states import GDT


@hookimpl
def domctx_record_types() -> list[RecordType]:
    """GDT."""
    return [
        RecordType(
            code=0x0001_0210,
            name="GDT",
            summary="a vCPU's GDT: its frames, canonical, and how many entries they hold",
            state=GDT,
            instances=Instances.KEYED,
            body="domctx_gdt.layout:GdtBody",
            max_body=136,
            save=later("domctx_gdt.records:save"),
            load=later("domctx_gdt.records:load"),
            new_state=later("domctx_gdt.records:new_state"),
            exact_size=later("domctx_gdt.records:exact_size"),
            show=later("domctx_gdt.records:show"),
        )
    ]


@hookimpl
def domctx_state_providers() -> list[StateProvider]:
    """GDT of machines whose registers are known, derived."""
    return [StateProvider(GDT, later("domctx_gdt.records:derive"), owned=False)]
