"""What ``verify`` asks of a stream besides that it can be read, and which parts of it no check covers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from domctx.api import Coverage
from domctx.errors import RecordError, StreamError
from domctx.files import CutError, in_file
from domctx.states import PageBatch, PageKind
from domctx_hvm.rules import check_image
from domctx_xen.domain import XenDomain
from domctx_xen.forms import check_forms
from domctx_xen.guest import check_guest
from domctx_xen.layout import (
    CPUID_POLICY,
    DOMAIN_CONTEXT,
    EMULATOR_CONTEXT,
    EMULATOR_XENSTORE_DATA,
    HVM_CONTEXT,
    HVM_PARAMS,
    MSR_POLICY,
    OPTIONAL,
    P2M_FRAMES,
    SHARED_INFO,
    TSC_INFO,
    VCPU_BASIC,
    VCPU_EXTENDED,
    VCPU_MSRS,
    VCPU_XSAVE,
)
from domctx_xen.memory import XenMemory
from domctx_xen.order import check_order
from domctx_xen.record import Element
from domctx_xen.walk import Walk
from domctx_xen.zeros import check_zeros

SHOWN: Final = 8
"""Things that a message lists at most."""
SLICE: Final = 1024
"""Pages that are compared at once."""

LIBXC_PARTS: Final = {
    P2M_FRAMES: "which pages hold the P2M, and how many pages it tells of, within their ranges",
    VCPU_BASIC: "registers of vCPUs, but for the frames that they name",
    VCPU_EXTENDED: "extended contexts of vCPUs",
    VCPU_XSAVE: "XSAVE areas of vCPUs",
    VCPU_MSRS: "MSRs of vCPUs",
    SHARED_INFO: "shared info",
    TSC_INFO: "TSC",
    DOMAIN_CONTEXT: "domain context, but for its framing",
    HVM_CONTEXT: "HVM context, but for the form of its entries",
    HVM_PARAMS: "HVM parameters",
    CPUID_POLICY: "CPUID policy, but for its form",
    MSR_POLICY: "MSR policy, but for its form",
}
LIBXL_PARTS: Final = {
    EMULATOR_XENSTORE_DATA: "the emulator's xenstore data, but for their form",
    EMULATOR_CONTEXT: "the emulator's context",
}
CONTENTS: Final = "contents of pages"
CONTENTS_PV: Final = "contents of pages, of page tables but for the types of the pages that they name"
NUMBERS: Final = "which page each is and of which type, within the domain"
SAVER: Final = "which Xen saved the domain"
CONFIGURATION: Final = "xl's configuration, but for its form"


def covered(domain: XenDomain) -> Iterator[Coverage]:
    """Which check covers which part. Raises DomctxError for what a receiver would refuse or find wrong."""
    with in_file(domain.location):
        check(domain)
    yield Coverage("headers and the framing of records", "their values and ranges")
    yield Coverage("reserved octets and padding", "zero")
    yield Coverage("order of records, and which there are", "the rules of the receiver")
    if domain.walk.headers.pv:
        yield Coverage("page tables, page types, and the frames that vCPUs name", "the rules of the restore")
    yield from map(Coverage, uncovered(domain))


def check(domain: XenDomain) -> None:
    """Raise DomctxError for what a receiver would refuse or find wrong."""
    walk = domain.walk
    if walk.lost is not None and not isinstance(walk.lost, CutError):
        raise walk.lost
    check_order(walk)
    check_forms(walk)
    check_zeros(walk, domain.content)
    _check_hvm(walk)
    _check_vcpus(domain)
    check_guest(domain)
    _check_compared(domain)
    if domain.configuration.problem is not None:
        raise StreamError("xl's configuration is no JSON", got=domain.configuration.problem)


def uncovered(domain: XenDomain) -> list[str]:
    """The parts that no check covers."""
    walk = domain.walk
    found = [CONTENTS_PV if walk.headers.pv else CONTENTS, NUMBERS] if walk.pages.records else []
    found += [SAVER]
    elements = (*walk.epochs.before.values(), *walk.epochs.behind.values())
    found += [name for element in elements if (name := part_of(element)) is not None]
    if walk.heads.xl is not None:
        found.append(CONFIGURATION)
    left = walk.file.size - walk.end
    if left:
        where = "the last complete checkpoint" if walk.lost is not None else "the end of the stream"
        found.append(f"0x{left:x} octets behind {where}")
    return list(dict.fromkeys(found))


def part_of(element: Element) -> str | None:
    """What no check covers of a record; None where all of it is covered."""
    if element.type & OPTIONAL:
        layer = "libxl" if element.libxl else "libxc"
        return f"{layer} record 0x{element.type:08x}, which is optional and not known"
    return (LIBXL_PARTS if element.libxl else LIBXC_PARTS).get(element.type)


def _check_hvm(walk: Walk) -> None:
    """Xen takes every entry of the HVM context."""
    element = walk.epochs.find(HVM_CONTEXT)
    if element is None:
        return
    try:
        check_image(bytes(walk.file.take(element.body, element.length, element.name)))
    except RecordError as error:
        error.offset = element.body + (error.offset or 0)
        raise error.at(record=element.name) from None


def _check_vcpus(domain: XenDomain) -> None:
    """Every vCPU that the configuration lists as available is in the stream."""
    missing = sorted(set(domain.configuration.available) - set(domain.machine.vcpus))
    if not domain.machine.vcpus:
        raise RecordError("the stream holds no vCPU")
    if missing:
        listed = ", ".join(map(str, missing[:SHOWN])) + (" ..." if len(missing) > SHOWN else "")
        raise RecordError(
            "the configuration lists vCPUs as available of which the stream has no record",
            got=f"none of vCPU {listed}",
            hint="whoever restores the domain finds them offline",
        )


def _check_compared(domain: XenDomain) -> None:
    """Pages that were sent a second time to be compared are the same."""
    walk = domain.walk
    runs = walk.compared.runs.settle()
    if not len(runs):
        return
    first, last = int(runs.firsts[0]), int(runs.ends[-1])
    again = XenMemory(walk.file, runs, last, typed=True)
    before = XenMemory(walk.file, domain.runs, max(domain.pages, last), typed=True)
    for start in range(first, last, SLICE):
        count = min(SLICE, last - start)
        _compare(before.read(0, start, count), again.read(0, start, count))


def _compare(before: PageBatch, again: PageBatch) -> None:
    """Raise RecordError for the first page that came again with other octets, or that has octets only once."""
    told = again.kinds == PageKind.DATA
    known = before.kinds == PageKind.DATA
    different = told & ~known
    both = told & known
    rows = (before.pages[both[known]] != again.pages[both[told]]).any(axis=1)
    different[np.flatnonzero(both)[rows]] = True
    if different.any():
        pfn = again.first + int(np.argmax(different))
        raise RecordError(f"PFN 0x{pfn:x} was sent a second time to be compared, and is not the same")
