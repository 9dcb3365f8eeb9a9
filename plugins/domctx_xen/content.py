"""What the records of a stream hold, as states: everything but memory and what no state has a place for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final, TypeVar, cast

import numpy as np

from domctx.api import StateKey
from domctx.errors import DomctxError, RecordError
from domctx.schema import decode, size_of
from domctx.states import (
    CLOCK,
    GDT,
    PAGE_TABLES,
    SHARED_INFO as SHARED_INFO_KEY,
    VCPUS,
    PageTablesContext,
    SharedInfoContext,
    TscContext,
    VcpuContext,
)
from domctx_clock import StoredClock
from domctx_cpu import StoredVcpuParts, StoredVcpus
from domctx_cpu.contexts import split
from domctx_cpu.xen_layout import XEN_X86_32, XEN_X86_64
from domctx_gdt import StoredGdt
from domctx_hvm import HVM_CONTEXT as HVM_CONTEXT_KEY, HVM_PARAMS as HVM_PARAMS_KEY, StoredHvmContext, StoredHvmParams
from domctx_hvm.image import split as split_hvm
from domctx_hvm.layout import MAX_IMAGE, ParamsBody
from domctx_hvm.params import check_count, params_of
from domctx_page_tables import StoredPageTables
from domctx_page_tables.bounds import check_context
from domctx_shared_info import StoredSharedInfo
from domctx_shared_info.layout import XEN_X86_32 as PAGE_32, XEN_X86_64 as PAGE_64
from domctx_xen import v10
from domctx_xen.bodies import HELD, PARTS
from domctx_xen.layout import (
    BROKEN,
    DOMAIN_CONTEXT,
    HVM_CONTEXT,
    HVM_PARAMS,
    P2M_FRAMES,
    PAGE_SIZE,
    PV_INFO,
    SHARED_INFO,
    TSC_INFO,
    VCPU_BASIC,
    VCPU_EXTENDED,
    VCPU_MSRS,
    VCPU_XSAVE,
    PvInfo,
    TscBody,
    VcpuHead,
)
from domctx_xen.p2m import NOWHERE, read_info
from domctx_xen.record import Element
from domctx_xen.runs import Columns
from domctx_xen.walk import Walk

T = TypeVar("T")

HEAD: Final = size_of(VcpuHead)
MAX_BODIES: Final = {
    VCPU_BASIC: 1 << 16,
    VCPU_EXTENDED: HEAD + 128,
    VCPU_XSAVE: HEAD + (1 << 16),
    VCPU_MSRS: HEAD + (1 << 16),
    SHARED_INFO: PAGE_SIZE,
    TSC_INFO: size_of(TscBody),
    HVM_CONTEXT: MAX_IMAGE,
    HVM_PARAMS: 1 << 16,
    DOMAIN_CONTEXT: 1 << 16,
}
"""Octets of the largest body of a record that is read as a whole."""
LEAST: Final = {VCPU_EXTENDED: HEAD + 1, VCPU_XSAVE: HEAD + 16, SHARED_INFO: PAGE_SIZE, TSC_INFO: size_of(TscBody)}
MAX_VCPUS: Final = 1 << 13
"""Of a paravirtualised domain: MAX_VIRT_CPUS."""
MSR: Final = 16
"""Octets of an entry of X86_PV_VCPU_MSRS."""


class Content:
    """The states that a stream's records hold. Raises RecordError for a record that no receiver takes."""

    def __init__(self, walk: Walk, runs: Columns, pages: int) -> None:
        self._walk, self._runs, self._pages = walk, runs, pages
        self.params: dict[Element, tuple[int, int]] = {}
        """The first parameter of each record HVM_PARAMS, and how many there are."""
        self._states: dict[StateKey[Any], Any] = {}
        info = walk.epochs.find(PV_INFO)
        self._info: PvInfo | None = None if info is None else read_info(walk.file, info)
        for element in (*walk.epochs.before.values(), *walk.epochs.behind.values()):
            if is_held(element):
                with _located(element):
                    self._take(element)
        if self._info is not None:
            self._states[PAGE_TABLES] = StoredPageTables(self._tables(self._info))

    def state(self, key: StateKey[T]) -> T | None:
        """The provider of a state, or None."""
        return cast("T | None", self._states.get(key))

    def owned_states(self) -> tuple[StateKey[Any], ...]:
        """The states of which the stream has a record."""
        return tuple(self._states)

    def _store(self, key: StateKey[T], made: type[Any]) -> Any:
        """A state, made when the first record of it comes."""
        return self._states.setdefault(key, made())

    def _take(self, element: Element) -> None:
        if element.type in (PV_INFO, P2M_FRAMES):
            return
        _check_length(element)
        body = self._walk.file.take(element.body, element.length, element.name)
        if element.type == VCPU_BASIC:
            self._vcpu(body)
        elif element.type in PARTS:
            self._store(PARTS[element.type], StoredVcpuParts).store(_vcpu_id(body), body[HEAD:])
        elif element.type == SHARED_INFO:
            self._shared_info(SharedInfoContext(self._abi(PAGE_32, PAGE_64), body))
        elif element.type == TSC_INFO:
            tsc = decode(TscBody, body)
            self._clock(TscContext(tsc.mode, tsc.khz, tsc.nsec, tsc.incarnation))
        elif element.type == HVM_CONTEXT:
            split_hvm(body)
            self._store(HVM_CONTEXT_KEY, StoredHvmContext).store(body)
        elif element.type == HVM_PARAMS:
            self._hvm_params(element, _params(body))
        else:
            self._domain_context(body)

    def _abi(self, narrow: str, wide: str) -> str:
        if self._info is None:
            raise RecordError("the stream has no X86_PV_INFO")
        return wide if self._info.guest_width == 8 else narrow

    def _vcpu(self, body: bytes) -> None:
        vcpu = _vcpu_id(body)
        context, gdt = split(VcpuContext(self._abi(XEN_X86_32, XEN_X86_64), body[HEAD:]))
        self._store(VCPUS, StoredVcpus).store(vcpu, context)
        self._store(GDT, StoredGdt).store(vcpu, gdt)

    def _shared_info(self, context: SharedInfoContext) -> None:
        self._once(SHARED_INFO_KEY)
        self._store(SHARED_INFO_KEY, StoredSharedInfo).store(context)

    def _clock(self, tsc: TscContext, *, posted: bool = False) -> None:
        self._once(CLOCK)
        self._states[CLOCK] = StoredClock(tsc, posted=posted)

    def _hvm_params(self, element: Element, params: tuple[tuple[int, int], ...]) -> None:
        """Parameters may come in several records; they are set one after the other."""
        state = self._store(HVM_PARAMS_KEY, StoredHvmParams)
        known = state.params or ()
        check_count(len(known) + len(params))
        self.params[element] = (len(known), len(params))
        state.store((*known, *params))

    def _domain_context(self, body: bytes) -> None:
        held = v10.read(body)
        if held.shared_info is not None:
            self._shared_info(held.shared_info)
        if held.tsc is not None:
            self._clock(held.tsc, posted=held.posted)

    def _once(self, key: StateKey[Any]) -> None:
        if key in self._states:
            raise RecordError(f"a second record holds the state {key.name!r}")

    def _tables(self, info: PvInfo) -> PageTablesContext | None:
        """Types of all pages, and the frames of the P2M. Raises RecordError where some of these are missing."""
        if self._pages == 0:
            return None
        types = np.zeros(self._pages, np.uint8)
        runs = self._runs
        for run in np.flatnonzero((runs.types != 0) & (runs.types < BROKEN)).tolist():
            types[runs.firsts[run] : runs.firsts[run] + runs.counts[run]] = runs.types[run]
        frames = self._walk.p2m.frames
        if (frames == NOWHERE).any():
            first = int(np.argmax(frames == NOWHERE))
            raise RecordError(f"no X86_PV_P2M_FRAMES tells of group {first} of the P2M")
        context = PageTablesContext(8, info.pt_levels, types, tuple(frames.tolist()))
        check_context(context)
        return context


def is_held(element: Element) -> bool:
    """Whether states hold what the record tells."""
    return not element.libxl and element.type in HELD and not element.hollow


@contextlib.contextmanager
def _located(element: Element) -> Iterator[None]:
    """Say where the record stands; offsets in errors count from the start of the body."""
    try:
        yield
    except DomctxError as error:
        error.offset = element.offset if error.offset is None else element.body + error.offset
        raise error.at(record=element.name) from error.__cause__


def _check_length(element: Element) -> None:
    least, most = LEAST.get(element.type, HEAD), MAX_BODIES[element.type]
    if not least <= element.length <= most:
        expected = f"0x{least:08x}" if least == most else f"0x{least:08x} to 0x{most:08x}"
        raise RecordError("the body has the wrong length", expected=expected, got=f"0x{element.length:08x}")
    if element.type == VCPU_MSRS and (element.length - HEAD) % MSR:
        got = f"0x{element.length - HEAD:08x}"
        raise RecordError("the entries do not fill the body", expected="a multiple of 16 octets", got=got)


def _vcpu_id(body: bytes) -> int:
    """The vCPU that a record is about."""
    vcpu = decode(VcpuHead, body[:HEAD]).vcpu_id
    if vcpu >= MAX_VCPUS:
        raise RecordError("no domain has such a vCPU", expected=f"below {MAX_VCPUS}", got=vcpu)
    return vcpu


def _params(body: bytes) -> tuple[tuple[int, int], ...]:
    count = int.from_bytes(body[:4], "little")
    return params_of(ParamsBody(count=count, params=body[HEAD:]))
