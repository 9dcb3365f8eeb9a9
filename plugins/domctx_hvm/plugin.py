"""HVM_CONTEXT and HVM_PARAMS, and the registers in the former; what is done with them stands in ``records``."""

from __future__ import annotations

from domctx.api import RecordType, StateProvider, later
from domctx.hookspecs import hookimpl
from domctx_hvm.states import HVM_CONTEXT, HVM_PARAMS
from domctx_x86.states import REGISTERS


@hookimpl
def domctx_record_types() -> list[RecordType]:
    """HVM_CONTEXT and HVM_PARAMS."""
    return [
        RecordType(
            code=0x0001_0240,
            name="HVM_CONTEXT",
            summary="Xen's HVM context: processors and emulated devices, as the source gave it",
            state=HVM_CONTEXT,
            max_body=4 << 20,
            save=later("domctx_hvm.records:save_context"),
            load=later("domctx_hvm.records:load_context"),
            new_state=later("domctx_hvm.records:new_context"),
            exact_size=later("domctx_hvm.records:context_size"),
            show=later("domctx_hvm.records:show_context"),
            diff=later("domctx_hvm.records:diff_context"),
        ),
        RecordType(
            code=0x0001_0241,
            name="HVM_PARAMS",
            summary="the parameters of Xen's HVM guest, by index",
            state=HVM_PARAMS,
            body="domctx_hvm.layout:ParamsBody",
            max_body=8 + (16 << 10),
            save=later("domctx_hvm.records:save_params"),
            load=later("domctx_hvm.records:load_params"),
            new_state=later("domctx_hvm.records:new_params"),
            exact_size=later("domctx_hvm.records:params_size"),
            show=later("domctx_hvm.records:show_params"),
            diff=later("domctx_hvm.records:diff_params"),
        ),
    ]


@hookimpl
def domctx_state_providers() -> list[StateProvider]:
    """REGISTERS, derived."""
    return [StateProvider(REGISTERS, later("domctx_hvm.records:registers"), owned=False)]
