"""Strategies of shared-info pages."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from domctx.schema import encode
from domctx.states import SharedInfoContext
from domctx.testing.strategies import bodies
from domctx_shared_info import StoredSharedInfo
from domctx_shared_info.layout import ABIS, PAGE_SIZE, SharedInfo2004, abi_named

shared_info_2004 = bodies(SharedInfo2004)


@st.composite
def shared_info_contexts(draw: st.DrawFn, *, rest: bool = True, names: tuple[str, ...] = ()) -> SharedInfoContext:
    """Pages of the ABIs ``names`` (of any, where empty); behind the structure something, or zeros without ``rest``."""
    abi = draw(st.sampled_from([abi for abi in ABIS if not names or abi.name in names]))
    octets = encode(draw(bodies(abi.layout)))
    size = PAGE_SIZE - len(octets)
    tail = (draw(st.binary(min_size=1, max_size=64)) * size)[:size] if rest else bytes(size)
    return SharedInfoContext(abi.name, octets + tail)


def stored_shared_info(**limits: Any) -> st.SearchStrategy[StoredSharedInfo]:
    """States with a page."""
    return shared_info_contexts(**limits).map(StoredSharedInfo)


def patterned(name: str) -> SharedInfoContext:
    """A page of the ABI ``name`` in which every field is different and nothing is zero."""
    assert abi_named(name) is not None
    return SharedInfoContext(name, bytes(1 + (7 * place + place // 251) % 255 for place in range(PAGE_SIZE)))
