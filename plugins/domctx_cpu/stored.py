"""vCPU contexts and parts in memory: of an opened image, of a file, of a test."""

from __future__ import annotations

from collections.abc import Mapping

from domctx.made import Ascending
from domctx.states import VcpuContext


class StoredVcpus:
    """VCPUS that keeps what was stored."""

    def __init__(self, contexts: Mapping[int, VcpuContext] | None = None) -> None:
        self._contexts = dict(contexts or {})

    @property
    def contexts(self) -> Mapping[int, VcpuContext]:
        """Contexts by vCPU id, ascending."""
        return Ascending(self._contexts)

    def store(self, vcpu: int, context: VcpuContext) -> None:
        """Take one context; replaces an earlier one of the same vCPU."""
        self._contexts[vcpu] = context


class StoredVcpuParts:
    """CPU_EXTENDED, CPU_XSAVE or CPU_MSRS that keeps what was stored."""

    def __init__(self, parts: Mapping[int, bytes] | None = None) -> None:
        self._parts = dict(parts or {})

    @property
    def parts(self) -> Mapping[int, bytes]:
        """The octets by vCPU id, ascending."""
        return Ascending(self._parts)

    def store(self, vcpu: int, octets: bytes) -> None:
        """Take the octets of one vCPU; replaces earlier ones of the same vCPU."""
        self._parts[vcpu] = octets
