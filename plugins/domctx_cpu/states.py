"""What Xen keeps of a paravirtualised vCPU beside its context, and the keys of these states (formats/xen.md 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from domctx.api import StateKey


class VcpuParts(Protocol):
    """One kind of state that each vCPU may have beside its context."""

    @property
    def parts(self) -> Mapping[int, bytes]:
        """The octets by vCPU id, ascending, as the source gave them."""

    def store(self, vcpu: int, octets: bytes) -> None:
        """Take the octets of one vCPU."""


CPU_EXTENDED: StateKey[VcpuParts] = StateKey("cpu_extended")
"""ext_vcpucontext: system call entries of 32-bit code and machine-check capabilities; at most 128 octets."""

CPU_XSAVE: StateKey[VcpuParts] = StateKey("cpu_xsave")
"""u64 xcr0, u64 xcr0_accum, and the uncompressed XSAVE area."""

CPU_MSRS: StateKey[VcpuParts] = StateKey("cpu_msrs")
"""Entries of 16 octets: u32 index, u32 reserved, u64 value."""
