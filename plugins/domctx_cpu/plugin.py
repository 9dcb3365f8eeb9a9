"""CPU, one vCPU's context, and what Xen keeps of a vCPU beside it; what is done with them stands in other rooms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from domctx.api import Command, Instances, RecordType, StateKey, StateProvider, later
from domctx.hookspecs import hookimpl
from domctx.states import VCPUS
from domctx_cpu.states import CPU_EXTENDED, CPU_MSRS, CPU_XSAVE, VcpuParts
from domctx_x86.states import REGISTERS

PART_HEAD: Final = 8
"""Octets of a part's body before the octets that the source gave."""
MAX_EXTENDED: Final = 128
MAX_PART: Final = 1 << 16
"""Octets of the largest XSAVE area (some 11 KiB with AMX) or MSR list."""


def _part(code: int, name: str, summary: str, state: StateKey[VcpuParts], most: int) -> RecordType:
    return RecordType(
        code=code,
        name=f"CPU_{name}",
        summary=summary,
        state=state,
        instances=Instances.KEYED,
        body="domctx_cpu.layout:PartBody",
        max_body=PART_HEAD + most,
        save=later("domctx_cpu.parts:save"),
        load=later("domctx_cpu.parts:load"),
        new_state=later("domctx_cpu.parts:new_state"),
        exact_size=later("domctx_cpu.parts:exact_size"),
        show=later(f"domctx_cpu.parts:{name}.show"),
        diff=later(f"domctx_cpu.parts:{name}.diff"),
    )


@hookimpl
def domctx_record_types() -> list[RecordType]:
    """CPU, and what Xen keeps of a vCPU beside its context."""
    return [
        RecordType(
            code=0x0001_0200,
            name="CPU",
            summary="a vCPU's context as its source gave it, canonical; its GDT is another record's",
            state=VCPUS,
            instances=Instances.KEYED,
            body="domctx_cpu.layout:CpuBody",
            max_body=1 << 20,
            save=later("domctx_cpu.records:save"),
            load=later("domctx_cpu.records:load"),
            new_state=later("domctx_cpu.records:new_state"),
            exact_size=later("domctx_cpu.records:exact_size"),
            show=later("domctx_cpu.records:show"),
            diff=later("domctx_cpu.records:diff"),
        ),
        _part(0x0001_0201, "EXTENDED", "a vCPU's 32-bit system call entries", CPU_EXTENDED, MAX_EXTENDED),
        _part(0x0001_0202, "XSAVE", "a vCPU's XCR0 and XSAVE area", CPU_XSAVE, MAX_PART),
        _part(0x0001_0203, "MSRS", "a vCPU's model-specific registers", CPU_MSRS, MAX_PART),
    ]


@hookimpl
def domctx_commands() -> Sequence[Command]:
    """``registers``."""
    return [Command("registers", "show the registers of a machine's x86 vCPUs", "domctx_cpu.show_registers:command")]


@hookimpl
def domctx_state_providers() -> Sequence[StateProvider]:
    """REGISTERS, derived."""
    return [StateProvider(REGISTERS, later("domctx_cpu.records:registers"), owned=False)]
