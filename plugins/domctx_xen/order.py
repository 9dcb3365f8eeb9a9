"""The order of records that a receiver takes (formats/xen.md 4.4, 5.2), and the records that it cannot do without.

What Xen's own receiver accepts is accepted, whatever order the specification asks for: it keeps vCPUs and the HVM
context until the end.
"""

from __future__ import annotations

from collections.abc import Sequence

from domctx.errors import StreamError
from domctx_xen.layout import (
    CPUID_POLICY,
    DOMAIN_CONTEXT,
    EMULATOR_CONTEXT,
    EMULATOR_XENSTORE_DATA,
    HVM_CONTEXT,
    MSR_POLICY,
    P2M_FRAMES,
    PV_INFO,
    SHARED_INFO,
    STATIC_DATA_END,
    TOOLSTACK,
    TSC_INFO,
    VCPU_BASIC,
    libxc_name,
)
from domctx_xen.record import Element
from domctx_xen.walk import Walk

SINCE_3 = (STATIC_DATA_END, CPUID_POLICY, MSR_POLICY)


def check_order(walk: Walk) -> None:
    """Raise StreamError for a record that stands where no receiver takes it, or that is missing."""
    order, libxc = walk.epochs.order, walk.headers
    if not walk.pages.records:
        raise StreamError("the stream holds no page", offset=walk.end)
    if walk.epochs.replaced:
        first = walk.epochs.replaced[0]
        raise StreamError(f"a second record {first.name} of the same", offset=first.offset)
    _check_version(order, libxc.version)
    if libxc.version >= 3:
        _check_first(order, STATIC_DATA_END, (P2M_FRAMES, None))
    if libxc.pv:
        _check_first(order, PV_INFO, (P2M_FRAMES, SHARED_INFO, None))
        _check_first(order, P2M_FRAMES, (None,))
        for wanted in (PV_INFO, P2M_FRAMES, VCPU_BASIC):
            _check_there(walk, wanted)
        _check_emulators(walk)
    else:
        _check_there(walk, HVM_CONTEXT)
    if libxc.version >= 3:
        _check_there(walk, STATIC_DATA_END)
    if libxc.version >= 4:
        _check_there(walk, DOMAIN_CONTEXT)


def _check_version(order: Sequence[Element | None], version: int) -> None:
    """Records that a stream of this version does not have."""
    wrong: tuple[int, ...] = (TOOLSTACK,)
    wrong += SINCE_3 if version < 3 else ()
    wrong += (SHARED_INFO, TSC_INFO) if version >= 4 else (DOMAIN_CONTEXT,)
    for element in order:
        if element is not None and not element.libxl and element.type in wrong:
            message = f"a stream of version {version} has no record {element.name}"
            raise StreamError(message, offset=element.offset)


def _check_first(order: Sequence[Element | None], first: int, later: tuple[int | None, ...]) -> None:
    """Refuse any of ``later`` (None: pages) before ``first``, or without it."""
    seen = False
    last = 0
    for element in order:
        if element is None:
            if None in later and not seen:
                message = f"pages stand before {libxc_name(first)}, which is not there yet"
                raise StreamError(message, offset=last)
            continue
        last = element.end
        if element.libxl:
            continue
        seen = seen or element.type == first
        if element.type in later and not seen:
            raise StreamError(f"{element.name} stands before {libxc_name(first)}", offset=element.offset)


def _check_there(walk: Walk, wanted: int) -> None:
    if walk.epochs.find(wanted) is None:
        raise StreamError(f"the stream has no record {libxc_name(wanted)}", offset=walk.end)


def _check_emulators(walk: Walk) -> None:
    for element in walk.epochs.order:
        if element is not None and element.libxl and element.type in (EMULATOR_XENSTORE_DATA, EMULATOR_CONTEXT):
            message = f"{element.name}: a paravirtualised guest has no emulator"
            raise StreamError(message, offset=element.offset)
