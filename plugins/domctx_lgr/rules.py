"""The rules of Xen's restore for a whole domain (formats/xen.md 1.8, steps 3 to 14)."""

from __future__ import annotations

import numpy as np

from domctx.api import Domain
from domctx.errors import DomainError, RecordError
from domctx.states import GDT, MEMORY, PAGE_TABLES, VCPUS, GdtContext, PageTablesContext
from domctx_cpu.contexts import decode_context, with_gdt
from domctx_cpu.layout import FullExecutionContext
from domctx_cpu.rules import check_context, sanitise
from domctx_page_tables import check_batch, check_frame_list
from domctx_page_tables.canonical import refuse_deep_tables
from domctx_x86 import I386_2LEVEL


def check_rules(domain: Domain) -> None:
    """Check everything that Xen's restore checks; the numbers in a file were found to be in range when it was opened.

    Raises RecordError for the first rule that is broken, DomainError where a state is missing that a rule is about.
    """
    check_name(domain.machine.name)
    page_tables = page_tables_of(domain)
    types = page_tables.types
    refuse_deep_tables(types, np.arange(len(types), dtype=np.uint32), I386_2LEVEL, RecordError)
    context = context_of(domain)
    check_context(context, len(types), types)
    sanitise(context)
    check_frame_list(page_tables.frame_list, types)
    for batch in domain.require(MEMORY).batches():
        check_batch(batch, types)


def check_name(name: str) -> None:
    """Refuse a name that is not ASCII (step 3)."""
    if not name.isascii():
        place = next(place for place, character in enumerate(name) if not character.isascii())
        got = f"0x{ord(name[place]):02x}"
        raise RecordError(f"character {place} of the name is not ASCII", expected="below 0x80", got=got)


def page_tables_of(domain: Domain) -> PageTablesContext:
    """The page tables' context. Raises DomainError where there is none."""
    context = domain.require(PAGE_TABLES).context
    if context is None:
        raise DomainError("the domain's page tables are not known", file=domain.location or None)
    return context


def context_of(domain: Domain) -> FullExecutionContext:
    """The context of the domain's first vCPU with its GDT in it. Raises DomainError and RecordError."""
    contexts = domain.require(VCPUS).contexts
    if not contexts:
        raise DomainError("the domain has no vCPU", file=domain.location or None)
    vcpu, context = next(iter(contexts.items()))
    gdts = domain.state(GDT)
    gdt = gdts.contexts.get(vcpu) if gdts is not None else None
    gdt = gdt or GdtContext((), 0)
    decoded: FullExecutionContext = decode_context(context)
    return with_gdt(decoded, gdt.frames, gdt.entries)
