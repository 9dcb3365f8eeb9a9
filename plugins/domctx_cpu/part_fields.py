"""The parts of a vCPU beside its context as JSON values, by their fields; octets where they have none."""

from __future__ import annotations

from domctx.api import JSON
from domctx.schema import decode, size_of, to_json
from domctx_cpu.xen_layout import ExtVcpuContext, Msr, XsaveHead
from domctx_x86.xsave import XsaveArea, area_to_json


def extended(octets: bytes) -> JSON:
    """ext_vcpucontext; what stands behind it as ``rest``. Octets alone where they are fewer."""
    size = size_of(ExtVcpuContext)
    if len(octets) < size:
        return {"octets": octets.hex()}
    found = to_json(decode(ExtVcpuContext, octets[:size]))
    return found | ({"rest": octets[size:].hex()} if len(octets) > size else {})


def xsave(octets: bytes) -> JSON:
    """XCR0, what was ever in it, and the area, which may be absent; octets alone where they do not fit."""
    head = size_of(XsaveHead)
    if len(octets) < head:
        return {"octets": octets.hex()}
    found = decode(XsaveHead, octets[:head])
    return to_json(found) | {"area": area(octets[head:], found.xcr0_accum)}


def area(octets: bytes, accumulated: int) -> JSON:
    """An XSAVE area; None where it is absent, octets where it is shorter than its fixed part."""
    if not octets:
        return None
    if len(octets) < size_of(XsaveArea):
        return {"octets": octets.hex()}
    return area_to_json(octets, accumulated)


def msrs(octets: bytes) -> JSON:
    """The registers in their order; octets alone where they are not whole entries."""
    size = size_of(Msr)
    if len(octets) % size:
        return {"octets": octets.hex()}
    return [to_json(decode(Msr, octets[place : place + size])) for place in range(0, len(octets), size)]
