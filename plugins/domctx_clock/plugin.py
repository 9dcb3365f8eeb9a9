"""Xen's own TSC_INFO, in plain v10 images and in ours; what is done with it stands in ``records``."""

from __future__ import annotations

from domctx.api import Images, Option, RecordType, later
from domctx.hookspecs import hookimpl
from domctx.states import CLOCK

TSC_INFO_SIZE = Option(
    name="tsc-info",
    type=str,
    help="octets of a TSC_INFO body: 20 as specified, 24 as the posted saver wrote; by default as the source had it",
    choices=("20", "24"),
)


@hookimpl
def domctx_record_types() -> list[RecordType]:
    """TSC_INFO."""
    return [
        RecordType(
            code=3,
            name="TSC_INFO",
            summary="Xen's TSC state: mode, frequency, elapsed time",
            state=CLOCK,
            body="domctx_clock.layout:TscInfo",
            max_body=24,
            save=later("domctx_clock.records:save"),
            load=later("domctx_clock.records:load"),
            new_state=later("domctx_clock.records:new_state"),
            exact_size=later("domctx_clock.records:exact_size"),
            show=later("domctx_clock.records:show"),
            diff=later("domctx_clock.records:diff"),
            options=(TSC_INFO_SIZE,),
            images=Images.PLAIN | Images.DOMCTX,
        )
    ]
