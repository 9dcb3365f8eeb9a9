"""Pages and records: SHARED_INFO_PAGE's body, the v10 record derived from a page, and a page that takes one over."""

from __future__ import annotations

from typing import Any

import attrs

from domctx.errors import DomainError, RecordError, UnsupportedError
from domctx.schema import decode, encode
from domctx.states import SharedInfoContext
from domctx_shared_info.compat import to_compat, update
from domctx_shared_info.layout import (
    ABI_NAMES,
    ABIS,
    COMPAT,
    PAGE_SIZE,
    XEN_2004_I386,
    XEN_X86_32,
    Abi,
    PageBody,
    SharedInfoBody,
    abi_named,
    abi_of,
)


def abi_of_context(context: SharedInfoContext) -> Abi:
    """The ABI of a page. Raises DomainError where no record holds it, or where the page is not 4096 octets."""
    abi = abi_named(context.abi)
    if abi is None:
        known = ", ".join(ABI_NAMES.values())
        raise DomainError("no record holds shared-info pages of this ABI", expected=known, got=repr(context.abi))
    if len(context.page) != PAGE_SIZE:
        size = f"0x{len(context.page):08x} octets"
        raise DomainError("the shared-info page is not one page", expected=f"0x{PAGE_SIZE:08x}", got=size)
    return abi


def struct_of(context: SharedInfoContext) -> Any:
    """The structure at the start of a page. Raises DomainError as ``abi_of_context``."""
    abi = abi_of_context(context)
    return decode(abi.layout, context.page[: abi.size])


def page_body(context: SharedInfoContext) -> PageBody:
    """The body of a SHARED_INFO_PAGE record. Raises DomainError as ``abi_of_context``."""
    return PageBody(abi=abi_of_context(context).code, page=context.page)


def page_context(body: PageBody) -> SharedInfoContext:
    """The page in the body of a SHARED_INFO_PAGE record. Raises UnsupportedError for an unknown ABI."""
    abi = abi_of(body.abi)
    if abi is None:
        known = ", ".join(f"0x{code:08x} {name}" for code, name in ABI_NAMES.items())
        raise UnsupportedError("a shared-info page of an unknown ABI", expected=known, got=f"0x{body.abi:08x}")
    return SharedInfoContext(abi.name, body.page)


def record_body(context: SharedInfoContext) -> SharedInfoBody:
    """The body of Xen's SHARED_INFO record, derived from a page: its structure; of 2004 in the 32-bit layout."""
    abi = abi_of_context(context)
    if abi.flags is None:
        return SharedInfoBody(COMPAT, encode(to_compat(struct_of(context))))
    return SharedInfoBody(abi.flags, context.page[: abi.size])


def record_abi(body: SharedInfoBody) -> Abi:
    """The ABI that a SHARED_INFO record tells by its flags and length. Raises RecordError where there is none."""
    if body.flags & ~COMPAT:
        raise RecordError("reserved bits of flags are set", expected="0x00000001 at most", got=f"0x{body.flags:08x}")
    known = [abi for abi in ABIS if abi.flags == body.flags]
    found = next((abi for abi in known if abi.size == len(body.buffer)), None)
    if found is None:
        sizes = " or ".join(f"0x{abi.size:08x} ({abi.name})" for abi in known)
        raise RecordError("the buffer has the wrong length", expected=sizes, got=f"0x{len(body.buffer):08x}")
    return found


def take_over(body: SharedInfoBody, own: SharedInfoContext | None) -> SharedInfoContext:
    """The page after a SHARED_INFO record was loaded; ``own`` is the page that the target has already.

    A target without a page is no running domain but a state in memory: it keeps the record as it is, at the start of
    a page of zeros. A page of the target's own takes over vcpu_info and arch; its ports become masked and not
    pending, pending_sel and pfn_to_mfn_frame_list_list zero; the clocks and the rest of the page stay its own
    (formats/xen.md 2.2). Raises RecordError as ``record_abi``, and where the two have not one word size.
    """
    abi = record_abi(body)
    if own is None:
        return SharedInfoContext(abi.name, body.buffer.ljust(PAGE_SIZE, b"\0"))
    own_abi, record = abi_of_context(own), decode(abi.layout, body.buffer)
    if (own_abi.name, abi.name) == (XEN_2004_I386, XEN_X86_32):
        made = update(struct_of(own), record)
    elif own_abi is abi:
        made = _merge(struct_of(own), record, 0xFFFF_FFFF if abi.flags == COMPAT else 0xFFFF_FFFF_FFFF_FFFF)
    else:
        raise RecordError("the domain's shared info has another layout", expected=own_abi.name, got=abi.name)
    return SharedInfoContext(own.abi, encode(made) + own.page[own_abi.size :])


def _merge(own: Any, record: Any, ones: int) -> Any:
    """Today's layouts: ``own`` with vcpu_info and arch of ``record``; ``ones`` is a word of the port masks."""
    vcpus = tuple(attrs.evolve(vcpu, evtchn_pending_sel=0) for vcpu in record.vcpu_info)
    arch = {"arch": attrs.evolve(record.arch, pfn_to_mfn_frame_list_list=0)} if hasattr(record, "arch") else {}
    words = len(own.evtchn_pending)
    return attrs.evolve(own, vcpu_info=vcpus, evtchn_pending=(0,) * words, evtchn_mask=(ones,) * words, **arch)
