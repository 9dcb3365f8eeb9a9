"""vCPU contexts in memory."""

from __future__ import annotations

from domctx.states import VcpuContext
from domctx_cpu import StoredVcpus


def test_contexts_come_back_ascending_and_later_ones_replace_earlier() -> None:
    """What was stored last for a vCPU is what is there, and vCPUs come in ascending order."""
    state = StoredVcpus({5: VcpuContext("abi", b"a")})
    state.store(2, VcpuContext("abi", b"b"))
    state.store(5, VcpuContext("abi", b"c"))
    assert list(state.contexts.items()) == [(2, VcpuContext("abi", b"b")), (5, VcpuContext("abi", b"c"))]
