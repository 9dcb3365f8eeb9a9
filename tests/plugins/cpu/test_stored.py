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


def test_what_is_stored_later_is_seen_too() -> None:
    """What was asked for before stays as it was; who asks again is told of everything."""
    contexts, parts = StoredVcpus(), StoredVcpuParts()
    before = contexts.contexts, parts.parts
    contexts.store(3, VcpuContext("abi", b"a"))
    parts.store(3, b"b")
    assert [dict(each) for each in before] == [{}, {}]
    assert (dict(contexts.contexts), dict(parts.parts)) == ({3: VcpuContext("abi", b"a")}, {3: b"b"})
