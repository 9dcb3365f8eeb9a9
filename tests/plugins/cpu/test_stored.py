"""vCPU contexts in memory."""

from __future__ import annotations

from domctx.states import VcpuContext
from domctx_cpu import StoredVcpuParts, StoredVcpus


def test_contexts_come_back_ascending_and_later_ones_replace_earlier() -> None:
    """What was stored last for a vCPU is what is there, and vCPUs come in ascending order."""
    state = StoredVcpus({5: VcpuContext("abi", b"a")})
    state.store(2, VcpuContext("abi", b"b"))
    state.store(5, VcpuContext("abi", b"c"))
    assert list(state.contexts.items()) == [(2, VcpuContext("abi", b"b")), (5, VcpuContext("abi", b"c"))]


def test_parts_come_back_ascending() -> None:
    """In ascending order of the vCPUs, those that were stored since they were asked for among them."""
    state = StoredVcpuParts({5: b"a"})
    parts = state.parts
    state.store(2, b"b")
    assert list(parts.items()) == [(2, b"b"), (5, b"a")]
