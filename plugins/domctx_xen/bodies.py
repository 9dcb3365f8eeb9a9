"""The bodies of the records that states hold: made of a domain's states, whoever the domain is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from domctx.api import StateKey
from domctx.schema import encode
from domctx.states import CLOCK, GDT, PAGE_TABLES, SHARED_INFO as SHARED_INFO_KEY, VCPUS, GdtContext, PageTablesContext
from domctx.values import frozen
from domctx_clock import StoredClock
from domctx_cpu import CPU_EXTENDED, CPU_MSRS, CPU_XSAVE, VcpuParts
from domctx_cpu.contexts import join
from domctx_hvm import HVM_CONTEXT as HVM_CONTEXT_KEY, HVM_PARAMS as HVM_PARAMS_KEY
from domctx_x86 import paging_of
from domctx_xen import v10
from domctx_xen.layout import (
    DOMAIN_CONTEXT,
    HVM_CONTEXT,
    HVM_PARAMS,
    P2M_FRAMES,
    PV_INFO,
    SHARED_INFO,
    TSC_INFO,
    VCPU_BASIC,
    VCPU_EXTENDED,
    VCPU_MSRS,
    VCPU_XSAVE,
    Counted,
    P2mFrames,
    PvInfo,
    RecordHeader,
    TscBody,
    VcpuHead,
    padded,
)

T = TypeVar("T")


class States(Protocol):
    """Where states are asked for: a domain, or what was read of a file."""

    def state(self, key: StateKey[T]) -> T | None:
        """The provider of a state, or None."""


PARTS: Final[dict[int, StateKey[VcpuParts]]] = {
    VCPU_EXTENDED: CPU_EXTENDED,
    VCPU_XSAVE: CPU_XSAVE,
    VCPU_MSRS: CPU_MSRS,
}
"""The records about a vCPU whose octets are a state of their own."""
BY_VCPU: Final = (VCPU_BASIC, *PARTS)
"""The records about a vCPU."""


@frozen
class Place:
    """Where a record stands that states hold.

    ``number`` is its vCPU or, of HVM_PARAMS, its first parameter; ``count`` how many parameters it has, None: all.
    """

    type: int
    number: int = 0
    count: int | None = None


def body_of(place: Place, states: States) -> bytes | None:
    """The body of a record of libxc; None where the states have nothing for it."""
    if place.type in BY_VCPU:
        vcpu = place.number
        octets = _basic(vcpu, states) if place.type == VCPU_BASIC else _part(place.type, vcpu, states)
        return None if octets is None else encode(VcpuHead(vcpu)) + octets
    if place.type == HVM_PARAMS:
        return _hvm_params(place, states)
    return _SINGLE[place.type](states)


def record_of(type: int, body: bytes) -> bytes:
    """A whole record: header, body and padding."""
    return encode(RecordHeader(type, len(body))) + body.ljust(padded(len(body)), b"\0")


def _basic(vcpu: int, states: States) -> bytes | None:
    vcpus, gdts = states.state(VCPUS), states.state(GDT)
    context = vcpus.contexts.get(vcpu) if vcpus is not None else None
    if context is None:
        return None
    gdt = gdts.contexts.get(vcpu) if gdts is not None else None
    return join(context, gdt or GdtContext((), 0)).octets


def _part(type: int, vcpu: int, states: States) -> bytes | None:
    state = states.state(PARTS[type])
    return None if state is None else state.parts.get(vcpu)


def tables_of(states: States) -> PageTablesContext | None:
    """The context of the page tables; None where there are none."""
    state = states.state(PAGE_TABLES)
    return None if state is None else state.context


def _pv_info(states: States) -> bytes | None:
    tables = tables_of(states)
    paging = paging_of(tables.width, tables.levels) if tables is not None else None
    return None if paging is None else encode(PvInfo(paging.word, paging.levels))


def _p2m_frames(states: States) -> bytes | None:
    tables = tables_of(states)
    if tables is None:
        return None
    frames = b"".join(pfn.to_bytes(8, "little") for pfn in tables.frame_list)
    return encode(P2mFrames(0, len(tables.types) - 1)) + frames


def _shared_info(states: States) -> bytes | None:
    state = states.state(SHARED_INFO_KEY)
    return state.context.page if state is not None and state.context is not None else None


def _tsc_info(states: States) -> bytes | None:
    state = states.state(CLOCK)
    tsc = state.tsc if state is not None else None
    return None if tsc is None else encode(TscBody(tsc.mode, tsc.khz, tsc.nsec, tsc.incarnation))


def _hvm_context(states: States) -> bytes | None:
    state = states.state(HVM_CONTEXT_KEY)
    return None if state is None else state.octets


def _hvm_params(place: Place, states: States) -> bytes | None:
    state = states.state(HVM_PARAMS_KEY)
    params = state.params if state is not None else None
    if params is None:
        return None
    params = params[place.number :][: place.count]
    words = (word.to_bytes(8, "little") for pair in params for word in pair)
    return encode(Counted(len(params))) + b"".join(words)


def _domain_context(states: States) -> bytes | None:
    clock, shared = states.state(CLOCK), states.state(SHARED_INFO_KEY)
    held = v10.Held(
        shared.context if shared is not None else None,
        clock.tsc if clock is not None else None,
        posted=isinstance(clock, StoredClock) and clock.posted,
    )
    return None if held == v10.Held() else v10.write(held)


_SINGLE: Final[dict[int, Callable[[Any], bytes | None]]] = {
    PV_INFO: _pv_info,
    P2M_FRAMES: _p2m_frames,
    SHARED_INFO: _shared_info,
    TSC_INFO: _tsc_info,
    HVM_CONTEXT: _hvm_context,
    DOMAIN_CONTEXT: _domain_context,
}
HELD: Final = (*BY_VCPU, *_SINGLE, HVM_PARAMS)
"""The records of libxc that states hold; all others are kept as they stand."""
