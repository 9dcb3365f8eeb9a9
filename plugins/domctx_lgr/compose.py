"""Everything of a LinuxGuestRecord that stands before its page types, made of a domain's states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from domctx.api import Domain, FormatContext, RamBlock
from domctx.errors import DomainError, StreamError
from domctx.schema import encode
from domctx.states import (
    FOREIGN_HEAD,
    FOREIGN_TAIL,
    GDT,
    MEMORY,
    PAGE_TABLES,
    SHARED_INFO,
    VCPUS,
    PageTablesContext,
    PageType,
)
from domctx.values import frozen
from domctx_cpu.layout import FullExecutionContext
from domctx_foreign import tell_left
from domctx_lgr.content import check_context, check_frame_page
from domctx_lgr.domain import FRAME_LIST_REST, GDT_REST, NAME_REST
from domctx_lgr.layout import A3, ABI, CONTEXT, FRAME_LIST, MAX_PFNS, MAX_TYPE, NAME_SIZE, SCHEME, SIGNATURE, Header
from domctx_lgr.rules import context_of, page_tables_of
from domctx_x86 import I386_2LEVEL, PAGE_SHIFT, PAGE_SIZE, gdt_frame_count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HELD = (FOREIGN_HEAD, PAGE_TABLES, MEMORY, VCPUS, GDT, SHARED_INFO, FOREIGN_TAIL)


@frozen(eq=False)
class Outgoing:
    """``blocks`` stand before the page types; ``types`` u8[N]."""

    blocks: tuple[bytes, ...]
    types: NDArray[np.uint8]


def compose(source: Domain, context: FormatContext) -> Outgoing:
    """The blocks of ``source``. Raises DomainError for what the format cannot hold; notes what is left behind."""
    block = _block(source)
    page_tables = page_tables_of(source)
    types = _types(page_tables, block, context)
    rests = _foreign_head(source)
    vcpu = _vcpu(source, rests)
    frame_page = _frame_page(page_tables, rests)
    _check_numbers(vcpu, frame_page, block.pages)
    _tell_what_stays(source, page_tables, context)
    return Outgoing(
        blocks=(
            encode(Header(SIGNATURE, _name(source, context, rests), block.pages)),
            encode(vcpu),
            _shared_info(source, context),
            frame_page,
        ),
        types=types,
    )


def _block(source: Domain) -> RamBlock:
    blocks = tuple(source.require(MEMORY).blocks)
    if len(blocks) != 1:
        raise DomainError("a LinuxGuestRecord holds one RAM block", got=len(blocks))
    (block,) = blocks
    if block.page_shift != PAGE_SHIFT or block.size % PAGE_SIZE:
        got = f"0x{block.size:x} octets in pages of 0x{1 << block.page_shift:x}"
        raise DomainError("a LinuxGuestRecord holds whole pages of 4096 octets", got=got)
    if not 0 < block.pages <= MAX_PFNS:
        expected, got = f"1 .. 0x{MAX_PFNS:08x}", f"0x{block.pages:08x}"
        raise DomainError("a LinuxGuestRecord does not hold that many pages", expected=expected, got=got)
    return block


def _types(page_tables: PageTablesContext, block: RamBlock, context: FormatContext) -> NDArray[np.uint8]:
    """The type of each page, u8[N]. The format tells what a page is used as, never whether it is pinned as such."""
    if (page_tables.width, page_tables.levels) != (I386_2LEVEL.width, I386_2LEVEL.levels):
        got = f"{page_tables.levels} levels with entries of {page_tables.width} octets"
        raise DomainError(f"a LinuxGuestRecord holds {I386_2LEVEL.name} page tables", got=got)
    if len(page_tables.types) != block.pages:
        got = f"0x{len(page_tables.types):08x}"
        raise DomainError("the page types are not those of the memory", expected=f"0x{block.pages:08x}", got=got)
    types = page_tables.types & ~page_tables.types.dtype.type(PageType.PINNED)
    bad = types > MAX_TYPE
    if bad.any():
        pfn = int(bad.argmax())
        got = f"0x{int(page_tables.types[pfn]):02x}"
        raise DomainError(
            f"a LinuxGuestRecord cannot hold the type of PFN 0x{pfn:08x}", expected="NOTAB to L4TAB", got=got
        )
    if (types != page_tables.types).any():
        context.note("which page tables are pinned is left behind: whoever restores the file pins them all")
    groups = I386_2LEVEL.p2m_frames(block.pages)
    if len(page_tables.frame_list) != groups:
        found = len(page_tables.frame_list)
        raise DomainError("the domain has no frame list for all of its pages", expected=f"{groups} frames", got=found)
    return types


def _vcpu(source: Domain, rests: dict[str, bytes]) -> FullExecutionContext:
    contexts = source.require(VCPUS).contexts
    if len(contexts) != 1:
        raise DomainError("a LinuxGuestRecord holds one vCPU", got=len(contexts))
    (found,) = contexts.values()
    if found.abi != ABI:
        raise DomainError("a LinuxGuestRecord cannot hold this vCPU context", expected=ABI, got=found.abi)
    context = context_of(source)
    used = gdt_frame_count(context.gdt_ents)
    rest = rests.get(GDT_REST, b"")
    if rest and len(rest) == 4 * (len(context.gdt_frames) - used):
        unused = tuple(int.from_bytes(rest[place : place + 4], "little") for place in range(0, len(rest), 4))
        context = attrs.evolve(context, gdt_frames=(*context.gdt_frames[:used], *unused))
    return context


def _frame_page(page_tables: PageTablesContext, rests: dict[str, bytes]) -> bytes:
    used = b"".join(pfn.to_bytes(4, "little") for pfn in page_tables.frame_list)
    return (used + rests.get(FRAME_LIST_REST, b"")).ljust(PAGE_SIZE, b"\0")[:PAGE_SIZE]


def _check_numbers(vcpu: FullExecutionContext, frame_page: bytes, pfns: int) -> None:
    """What no reader would accept is not written."""
    try:
        check_context(vcpu, pfns, A3.offset(CONTEXT))
        check_frame_page(frame_page, pfns, A3.offset(FRAME_LIST))
    except StreamError as error:
        raise DomainError(error.message, expected=error.expected, got=error.got) from error


def _name(source: Domain, context: FormatContext, rests: dict[str, bytes]) -> bytes:
    name = context.option("name") or source.machine.name
    try:
        octets: bytes = name.encode("latin-1")
    except UnicodeEncodeError as error:
        raise DomainError("the name is not of one octet for each character", got=ascii(name), hint=_RENAME) from error
    if len(octets) > NAME_SIZE:
        limit = f"at most {NAME_SIZE} characters"
        raise DomainError("the name is too long for a LinuxGuestRecord", expected=limit, got=ascii(name), hint=_RENAME)
    rest = rests.get(NAME_REST, b"")
    return octets + b"\0" + rest if len(octets) + 1 + len(rest) == NAME_SIZE else octets.ljust(NAME_SIZE, b"\0")


_RENAME = "give another with -O name=NAME"


def _shared_info(source: Domain, context: FormatContext) -> bytes:
    state = source.state(SHARED_INFO)
    found = state.context if state is not None else None
    if found is None:
        context.note("the domain has no shared-info page: a page of zeros is written")
        return bytes(PAGE_SIZE)
    if found.abi != ABI:
        raise DomainError("a LinuxGuestRecord cannot hold this shared-info page", expected=ABI, got=found.abi)
    return found.page


def _foreign_head(source: Domain) -> dict[str, bytes]:
    state = source.state(FOREIGN_HEAD)
    parts = state.parts if state is not None else ()
    return {part.name: part.octets for part in parts if part.format == SCHEME}


def _tell_what_stays(source: Domain, page_tables: PageTablesContext, context: FormatContext) -> None:
    for key in source.owned_states():
        if key not in HELD:
            context.note(f"a LinuxGuestRecord does not hold the state {key.name!r}: it is left behind")
    for key in (FOREIGN_HEAD, FOREIGN_TAIL):
        tell_left(source, key, SCHEME, context)
    if page_tables.special:
        context.note(f"{len(page_tables.special)} mappings of frames that are not the domain's own are left behind")
    if page_tables.suspension is not None:
        context.note("how to undo the suspension is left behind: the guest stays suspended")
