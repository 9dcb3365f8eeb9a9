"""Streams as QEMU and kvm-userspace wrote them in 2009, composed from formats/qemu.md 2.5 and 3.

No configuration, no footers, no description; RAM of version 3 in one flat space; ``cpu`` of versions 4 to 9.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helpers import qemu_streams as qs
from helpers.qemu_registers import section as cpu_section
from helpers.qemu_streams import PAGE

TIMER_1 = qs.u64(1) + qs.u64(10**9)
TIMER_2 = TIMER_1 + qs.u64(3)
TPR = bytes(range(144))
APIC_1, APIC_3 = bytes(173), bytes(181)


def full(identity: int, name: str, version: int, body: bytes, instance: int = 0) -> bytes:
    """A section that comes whole."""
    return qs.section(4, identity, body, name, instance, version, footer=False)


def flat_ram(pages: Mapping[int, bytes | int], total: int) -> bytes:
    """RAM of version 3: of each page its contents, or the octet that it repeats."""
    words = b""
    for page, contents in pages.items():
        if isinstance(contents, int):
            words += qs.u64(page * PAGE | qs.ZERO) + bytes((contents,))
        else:
            words += qs.u64(page * PAGE | qs.DATA) + contents
    start = qs.section(1, 3, qs.u64(total * PAGE | qs.MEM_SIZE) + qs.EOF_WORD, "ram", 0, 3, footer=False)
    part = qs.section(2, 3, words + qs.EOF_WORD, footer=False)
    return start + part + qs.section(3, 3, qs.EOF_WORD, footer=False)


def common(halted: int = 0) -> bytes:
    """``cpu_common``: halted, and what interrupts are requested."""
    return qs.u32(halted) + qs.u32(2)


def cpus(version: int, wide: bool, count: int, values: Mapping[str, Any]) -> bytes:
    """``cpu_common`` and ``cpu`` of each vCPU; before version 6 ``cpu`` itself tells whether it is halted."""
    found = b""
    for vcpu in range(count):
        if version >= 6:
            found += full(20 + 2 * vcpu, "cpu_common", 1, common(vcpu), vcpu)
        found += full(21 + 2 * vcpu, "cpu", version, cpu_section(version, wide, values), vcpu)
    return found


def machine(version: int = 9, *, wide: bool = True, count: int = 2, values: Mapping[str, Any] | None = None) -> bytes:
    """A whole machine of four pages."""
    ram = flat_ram({0: qs.pages(1), 1: 0xFF, 2: 0, 3: qs.pages(4)}, 4)
    return qs.stream(
        full(1, "timer", 2, TIMER_2),
        ram,
        cpus(version, wide, count, {"fpregs_format": 0, "mcg_cap": 0, **(values or {})}),
        full(40, "kvm-tpr-opt", 1, TPR),
        full(41, "apic", 2, APIC_3),
        b"\0",
    )
