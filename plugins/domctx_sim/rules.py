"""What Xen refuses in page-table entries, descriptors and a processor's context: pure functions.

Source: xen/common/memory.c (get_page_from_l1e, get_page_from_l2e) and xen/arch/i386/mm.c (check_descriptor) at
commit 8babea8308; formats/xen.md 4.5 for the machines of today, which refuse the same but for the flags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from domctx.errors import DomainError
from domctx.values import frozen
from domctx_sim.arrays import Mask, Words
from domctx_sim.frame_table import TABLES, FrameTable, FrameType
from domctx_sim.layout import PRIVATE_START
from domctx_x86 import (
    DESCRIPTOR_SIZE,
    FLAT_RING1_CS,
    I386_2LEVEL,
    MAX_DESCRIPTORS,
    PAGE_MASK,
    PAGE_SHIFT,
    PTE_GLOBAL,
    PTE_PRESENT,
    PTE_PSE,
    PTE_RW,
    RESERVED_GDT_FIRST,
    RESERVED_GDT_LAST,
    Paging,
)

USES: Final[Mapping[int, str]] = {
    FrameType.L1_TABLE: "an L1 page table",
    FrameType.L2_TABLE: "an L2 page table",
    FrameType.L3_TABLE: "an L3 page table",
    FrameType.L4_TABLE: "an L4 page table",
    FrameType.GDT: "a frame of a GDT",
    FrameType.LDT: "a frame of an LDT",
    FrameType.WRITABLE: "mapped writable",
}

Rule = tuple[Mask, str]
"""What offends, by element, and how a refusal says it."""


@frozen
class Fault:
    """The first element of an array that offends against a rule."""

    index: int
    message: str


def first_fault(rules: Iterable[Rule]) -> Fault | None:
    """The offence at the lowest index; of several at one index the first rule's; None where all are good."""
    faults = [Fault(int(offends.argmax()), message) for offends, message in rules if offends.any()]
    return min(faults, key=lambda fault: fault.index, default=None)


def present(entries: Words) -> Mask:
    """Which entries are present."""
    return (entries & PTE_PRESENT).astype(bool)


def writable(entries: Words) -> Mask:
    """Which entries allow writing."""
    return (entries & PTE_RW).astype(bool)


def frames_of(entries: Words, paging: Paging = I386_2LEVEL) -> Words:
    """The MFN that each entry names."""
    word = entries.dtype.type
    frames: Words = (entries & word(paging.frame_mask)) >> word(PAGE_SHIFT)
    return frames


def forbidden(entries: Words, level: int, paging: Paging) -> Rule:
    """The rule about flags that the hypervisor refuses in the entries of a table of ``level``."""
    flags = paging.forbidden[level - 1]
    names = {PTE_GLOBAL: "GLOBAL", PTE_PSE: "PAT" if level == 1 else "PSE"}
    listed = " or ".join(name for flag, name in names.items() if flags & flag)
    return (entries & entries.dtype.type(flags)) != 0, f"an L{level} entry sets {listed}"


def l1_fault(table: FrameTable, entries: Words, domain: int, paging: Paging = I386_2LEVEL) -> Fault | None:
    """The first entry that Xen refuses in an L1 table of ``domain``; entries that are not present are not looked at."""
    used = present(entries)
    mfns = table.inside(frames_of(entries, paging))
    flagged, message = forbidden(entries, 1, paging)
    busy = used & writable(entries) & (table.type_count[mfns] != 0)
    types = table.type[mfns]
    tables = np.isin(types, TABLES)
    return first_fault(
        [
            (used & flagged, message),
            (used & (table.owner[mfns] != domain), "an L1 entry maps a frame of another owner"),
            (busy & tables, "an L1 entry maps a page-table frame writable"),
            (busy & ~tables & (types != FrameType.WRITABLE), "an L1 entry maps a descriptor-table frame writable"),
        ]
    )


def descriptor_fault(descriptors: Words, *, reserved: bool) -> Fault | None:
    """The first descriptor of a frame u32[512, 2] that Xen refuses; with ``reserved`` Xen's own are not looked at."""
    low, high = descriptors[:, 0], descriptors[:, 1]
    used = (high & 1 << 15).astype(bool)
    if reserved:
        used[RESERVED_GDT_FIRST : RESERVED_GDT_LAST + 1] = False
    memory = (high & 1 << 12).astype(bool)
    gate = used & ~memory
    base = ((high & 0xFF00_0000) | (high & 0xFF) << 16 | low >> np.uint32(16)).astype(np.uint64)
    limit = ((high & 0xF_0000) | (low & 0xFFFF)).astype(np.uint64) + np.uint64(1)
    limit = np.where(high & 1 << 23, limit << np.uint64(PAGE_SHIFT), limit)
    return first_fault(
        [
            (used & ((high & 3 << 13) == 0), "a descriptor has privilege level 0"),
            (gate & ((high & 0xF00) != 0xC00), "a system descriptor is not a call gate"),
            (gate & ~_guest_code(low >> np.uint32(16)), "a call gate leads to a private segment"),
            (gate & ((high & 0xE0) != 0), "a call gate sets reserved bits"),
            (used & memory & (base + limit > PRIVATE_START), "a segment reaches into Xen's space"),
        ]
    )


def _guest_code(selectors: Words) -> Mask:
    """Which selectors a call gate may lead to: Xen's flat ring-1 code, or ring 1 of a descriptor that is not Xen's."""
    index = selectors >> 3
    own = (index < RESERVED_GDT_FIRST) | (index > RESERVED_GDT_LAST) | ((selectors & 4) != 0)
    allowed: Mask = (selectors == FLAT_RING1_CS) | (own & ((selectors & 3) == 1))
    return allowed


def check_ldt(base: int, entries: int, limit: int = PRIVATE_START) -> None:
    """Raise DomainError for an LDT whose place or size Xen refuses."""
    if base & PAGE_MASK or entries > MAX_DESCRIPTORS or base + entries * DESCRIPTOR_SIZE > limit:
        raise DomainError(
            "an LDT is misplaced",
            expected=f"a page-aligned address, at most {MAX_DESCRIPTORS} entries, below 0x{limit:08x}",
            got=f"0x{base:08x}, {entries} entries",
        )


def check_gdt_entries(entries: int, most: int = MAX_DESCRIPTORS) -> None:
    """Raise DomainError for a GDT of more entries than the hypervisor allows."""
    if entries > most:
        raise DomainError("too many entries in the GDT", expected=f"at most {most}", got=entries)


def check_base(address: int) -> None:
    """Raise DomainError for a page-table base that is not the address of a page."""
    if address & PAGE_MASK:
        raise DomainError("the page-table base is not the address of a page", got=f"0x{address:08x}")
