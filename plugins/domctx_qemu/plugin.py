"""DEVICE: one device section, raw; the instance is its position. What is done with it stands in ``records``."""

from __future__ import annotations

from domctx.api import Instances, RecordType, later
from domctx.hookspecs import hookimpl
from domctx.states import DEVICES


@hookimpl
def domctx_record_types() -> list[RecordType]:
    """DEVICE."""
    return [
        RecordType(
            code=0x0001_0300,
            name="DEVICE",
            summary="a device section: name, instance, version, raw state, its description where there is one",
            state=DEVICES,
            instances=Instances.DENSE,
            body="domctx_qemu.layout:DeviceBody",
            max_body=64 << 20,
            save=later("domctx_qemu.records:save"),
            load=later("domctx_qemu.records:load"),
            new_state=later("domctx_qemu.records:new_state"),
            exact_size=later("domctx_qemu.records:exact_size"),
            show=later("domctx_qemu.records:show"),
            diff=later("domctx_qemu.records:diff"),
        )
    ]
