"""Writes any domain of Xen as a stream: as it was found, or in the order that every receiver accepts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from domctx.api import Buffer, Domain, FormatContext, Sink
from domctx.errors import DomainError
from domctx.states import (
    CLOCK,
    FOREIGN_HEAD,
    FOREIGN_TAIL,
    GDT,
    MEMORY,
    PAGE_TABLES,
    SHARED_INFO,
    VCPUS,
    PageTablesContext,
)
from domctx_cpu.xen_layout import XEN_X86_32, XEN_X86_64
from domctx_foreign import tell_left
from domctx_hvm import HVM_CONTEXT, HVM_PARAMS
from domctx_shared_info.pages import abi_of_context
from domctx_x86 import paging_of
from domctx_xen import plan
from domctx_xen.bodies import PARTS, Place, body_of, record_of, tables_of
from domctx_xen.layout import (
    CPUID_POLICY,
    EMULATOR_CONTEXT,
    EMULATOR_XENSTORE_DATA,
    MSR_POLICY,
    PAGE_SHIFT,
    PAGE_SIZE,
    SCHEME,
    libxl_name,
)
from domctx_xen.paged import BATCH, page_data
from domctx_xen.parts import LIBXL, XL_HEADER, different
from domctx_xen.plan import Item

ABIS: Final = {4: XEN_X86_32, 8: XEN_X86_64}
"""Of vCPU contexts and of the shared-info page, by octets of the guest's word."""

HELD: Final = (
    FOREIGN_HEAD,
    FOREIGN_TAIL,
    MEMORY,
    PAGE_TABLES,
    VCPUS,
    GDT,
    SHARED_INFO,
    CLOCK,
    HVM_CONTEXT,
    HVM_PARAMS,
    *PARTS.values(),
)
"""The states that a stream holds."""


def write(source: Domain, sink: Sink, context: FormatContext) -> None:
    """Pull ``source`` into ``sink``.

    Options: ``framing`` libxc, libxl or xl, ``version`` of the libxc stream; by default as it was found, else libxc and
    3. Raises DomainError for a domain that no stream can hold, naming what it is.
    """
    tables = check_domain(source)
    items = compose(source, context, pv=tables is not None)
    for item in items:
        if item.place == plan.MEMORY:
            for octets in _memory(source, tables):
                sink.write(octets)
                context.progress(memoryview(octets).nbytes)
        else:
            sink.write(_octets(item, source, context))


def compose(source: Domain, context: FormatContext, *, pv: bool) -> list[Item]:
    """What is written, in order. Notes what is left behind."""
    found = plan.found_items(source)
    version = int(context.option("version") or plan.version_of(found) or 3)
    framing = context.option("framing") or plan.framing_of(found)
    items = plan.versioned(found or plan.new_items(pv=pv, version=version), version)
    _tell_version(found, version, source, context)
    wanted = plan.places_of(source, items, version)
    _tell_places(items, wanted, source, context)
    kept = {None, plan.MEMORY, *wanted}
    items = [item for item in items if item.place in kept]
    there = {item.place for item in items}
    items = plan.insert(items, [Item("new", place=place) for place in wanted if place not in there])
    framed = plan.framed(items, framing)
    _tell_layers(items, framed, context)
    _tell_states(source, context)
    return framed


def _octets(item: Item, source: Domain, context: FormatContext) -> bytes:
    if item.place is None:
        return item.octets
    body = body_of(item.place, source)
    assert body is not None  # it was asked for before
    made = record_of(item.place.type, body)
    if len(item.octets) not in (0, len(made)):
        context.note(f"{item.name}: the record is no longer as long as it was: its reserved octets are zero now")
        return made
    return different(item.octets, made) if item.octets else made


def _memory(source: Domain, tables: PageTablesContext | None) -> Iterator[Buffer]:
    memory = source.state(MEMORY)
    if memory is not None:
        yield from page_data(memory.batches(BATCH), tables.types if tables is not None else None)


def check_domain(source: Domain) -> PageTablesContext | None:
    """The page tables of a paravirtualised domain, None of another one. Raises DomainError for what is not Xen's."""
    tables = tables_of(source)
    if tables is None and source.state(HVM_CONTEXT) is None:
        raise DomainError(
            "the domain has neither page tables nor an HVM context of Xen",
            file=source.location or None,
            hint="a Xen stream holds Xen's domains; write the format that this one came from",
        )
    _check_memory(source, tables)
    if tables is not None:
        _check_guest(source, tables)
    return tables


def _check_memory(source: Domain, tables: PageTablesContext | None) -> None:
    memory = source.state(MEMORY)
    blocks = tuple(memory.blocks) if memory is not None else ()
    if len(blocks) > 1 or any(block.page_shift != PAGE_SHIFT or block.size % PAGE_SIZE for block in blocks):
        got = ", ".join(f"{block.name} of 0x{block.size:x} octets" for block in blocks[:8])
        raise DomainError("a Xen stream holds one RAM block of whole pages of 4096 octets", got=got)
    pages = blocks[0].pages if blocks else 0
    if tables is not None and len(tables.types) != pages:
        got = f"0x{len(tables.types):x}"
        raise DomainError("the page types are not those of the memory", expected=f"0x{pages:x}", got=got)


def _check_guest(source: Domain, tables: PageTablesContext) -> None:
    paging = paging_of(tables.width, tables.levels)
    if paging is None or paging.width != 8:
        got = f"{tables.levels} levels with entries of {tables.width} octets"
        raise DomainError("a Xen stream holds guests with PAE or four-level page tables", got=got)
    if len(tables.frame_list) != paging.p2m_frames(len(tables.types)):
        expected = f"{paging.p2m_frames(len(tables.types))} frames"
        raise DomainError("the domain's P2M is not known", expected=expected, got=len(tables.frame_list))
    abi = ABIS[paging.word]
    vcpus, shared = source.state(VCPUS), source.state(SHARED_INFO)
    found = {context.abi for context in vcpus.contexts.values()} if vcpus is not None else set()
    found |= {shared.context.abi} if shared is not None and shared.context is not None else set()
    if found - {abi}:
        got = ", ".join(sorted(found - {abi}))
        raise DomainError("a vCPU or shared info of another kind of guest", expected=abi, got=got)


def _tell_version(found: Sequence[Item], version: int, source: Domain, context: FormatContext) -> None:
    if version < 3 and any(item.type in (CPUID_POLICY, MSR_POLICY) for item in found):
        context.note(f"a stream of version {version} has no CPUID and MSR policies: they are left behind")
    state = source.state(SHARED_INFO)
    page = state.context if state is not None else None
    if version >= 4 and page is not None and any(page.page[abi_of_context(page).size :]):
        context.note(
            "what the shared-info page has behind its structure is left behind: DOMAIN_CONTEXT does not hold it"
        )


def _tell_places(items: Sequence[Item], wanted: Sequence[Place], source: Domain, context: FormatContext) -> None:
    """States that are gone are told; those that stand in another record from now on are not."""
    kept = {plan.MEMORY, *wanted}
    for item in items:
        place = item.place
        if place is not None and place not in kept and body_of(place, source) is None:
            context.note(f"{item.name.removeprefix('place of ')} is left out: the domain no longer has that state")


def _tell_layers(items: Sequence[Item], framed: Sequence[Item], context: FormatContext) -> None:
    left = {item.name for item in items} - {item.name for item in framed}
    if XL_HEADER in left:
        context.note("xl's header, and the configuration in it, is left behind")
    for code in (EMULATOR_XENSTORE_DATA, EMULATOR_CONTEXT):
        if f"{LIBXL}{libxl_name(code)}" in left:
            context.note(f"libxl's {libxl_name(code)} is left behind: a libxc stream has no place for it")
    if framed[0].name == XL_HEADER and framed[0] not in items:
        context.note("xl's header has no configuration: give xl restore one")


def _tell_states(source: Domain, context: FormatContext) -> None:
    for key in source.owned_states():
        if key not in HELD:
            context.note(f"a Xen stream does not hold the state {key.name!r}: it is left behind")
    for key in (FOREIGN_HEAD, FOREIGN_TAIL):
        tell_left(source, key, SCHEME, context)
    tables = tables_of(source)
    if tables is not None and tables.special:
        context.note(f"{len(tables.special)} mappings of frames that are not the domain's own are left behind")
    if tables is not None and tables.suspension is not None:
        context.note("how to undo the suspension is left behind: the guest stays suspended")
