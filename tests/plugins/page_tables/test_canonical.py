"""MFN to PFN and back, against a loop that knows no arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomainError, RecordError
from domctx_page_tables import FrameMap, canonicalise, check, foreign_entries, localise

NOTAB, L1TAB, L2TAB, L3TAB = 0, 1, 2, 3
PRESENT, RW, PSE, GLOBAL = 0x001, 0x002, 0x080, 0x100
HYPERVISOR_SLOT = 1008

Guest = tuple[Any, Any, Any]
"""pages u32[N, 1024] canonical, types u8[N], p2m u32[N]"""


def oracle_canonicalise(page: list[int], type_: int, m2p: dict[int, int]) -> list[int]:
    """Formats/xen.md 1.8, save step 5, one entry at a time."""
    result = list(page)
    if type_ in (L1TAB, L2TAB):
        for index, entry in enumerate(page):
            if type_ == L2TAB and index >= HYPERVISOR_SLOT:
                result[index] = 0
            elif entry & PRESENT:
                result[index] = entry & 0xFFF | m2p[entry >> 12] << 12
    return result


def oracle_localise(page: list[int], type_: int, p2m: list[int]) -> list[int]:
    """Formats/xen.md 1.8, restore step 8, one entry at a time, for pages that keep the rules."""
    result = list(page)
    if type_ in (L1TAB, L2TAB):
        for index, entry in enumerate(page):
            if type_ == L2TAB and index >= HYPERVISOR_SLOT:
                result[index] = 0
            elif entry & PRESENT:
                result[index] = entry & 0xFFF & ~0x180 | p2m[entry >> 12] << 12
    return result


@st.composite
def guests(draw: st.DrawFn) -> Guest:
    """A small guest whose page tables keep every rule, in canonical form."""
    count = draw(st.integers(4, 40))
    types = np.array(draw(st.lists(st.sampled_from([NOTAB, NOTAB, L1TAB, L2TAB]), min_size=count, max_size=count)))
    types[0], types[1] = NOTAB, L1TAB
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    p2m = random.choice(1 << 20, size=count, replace=False).astype(np.uint32)
    pages = random.integers(0, 1 << 32, size=(count, 1024), dtype=np.uint64).astype(np.uint32)
    for pfn in range(count):
        level = int(types[pfn])
        if level:
            targets = np.flatnonzero(types == level - 1)
            frames = random.choice(targets, size=1024).astype(np.uint32)
            present = random.random(1024) < draw(st.sampled_from([0.0, 0.1, 0.8, 1.0]))
            flags = (pages[pfn] & np.uint32(0xE7F)) | np.uint32(PRESENT)
            absent = pages[pfn] & np.uint32(0xFFFFFFFE)
            pages[pfn] = np.where(present, frames << np.uint32(12) | flags, absent)
        if level == L2TAB:
            pages[pfn, HYPERVISOR_SLOT:] = 0
    return pages, types.astype(np.uint8), p2m


def pfns_of(types: Any) -> Any:
    return np.arange(len(types), dtype=np.uint32)


@settings(max_examples=40, deadline=None)
@given(guests())
def test_localise_agrees_with_the_loop_and_canonicalise_undoes_it(guest: Guest) -> None:
    """Localised pages are what the loop makes of them, and canonicalising those gives the pages back."""
    pages, types, p2m = guest
    pfns = pfns_of(types)
    before = pages.copy()
    local = localise(pages, types, pfns, types, p2m)
    expected = [oracle_localise(pages[pfn].tolist(), int(types[pfn]), p2m.tolist()) for pfn in range(len(types))]
    assert local.tolist() == expected
    back = canonicalise(local, types, pfns, FrameMap(p2m))
    assert np.array_equal(back, pages)
    assert np.array_equal(pages, before)
    check(pages, types, pfns, types)


@settings(max_examples=40, deadline=None)
@given(guests(), st.integers(0, 2**32 - 1))
def test_canonicalise_agrees_with_the_loop_whatever_the_hypervisor_left(guest: Guest, stale: int) -> None:
    """Canonicalised pages are what the loop makes of them, with flags kept and the hypervisor's slots zero."""
    pages, types, p2m = guest
    pfns = pfns_of(types)
    local = localise(pages, types, pfns, types, p2m)
    local[types == L2TAB, HYPERVISOR_SLOT:] = stale
    local[types == L1TAB] |= np.uint32(GLOBAL)
    m2p = {mfn: pfn for pfn, mfn in enumerate(p2m.tolist())}
    expected = [oracle_canonicalise(local[pfn].tolist(), int(types[pfn]), m2p) for pfn in range(len(types))]
    assert canonicalise(local, types, pfns, FrameMap(p2m)).tolist() == expected


def small() -> Guest:
    """PFN 0 and 1 plain, PFN 2 an L1 table that maps PFN 0 writable, PFN 3 an L2 table that points to PFN 2."""
    pages = np.zeros((4, 1024), dtype=np.uint32)
    pages[2, 7] = 0 << 12 | PRESENT | RW
    pages[3, 9] = 2 << 12 | 0x067
    return pages, np.array([NOTAB, NOTAB, L1TAB, L2TAB], dtype=np.uint8), np.array([9, 8, 7, 6], dtype=np.uint32)


def test_pages_that_are_no_tables_pass_uncopied() -> None:
    """Without a table among the pages the very array comes back."""
    pages, types, p2m = small()
    plain = pages[:2]
    assert canonicalise(plain, types[:2], pfns_of(types)[:2], FrameMap(p2m)) is plain
    assert localise(plain, types[:2], pfns_of(types)[:2], types, p2m) is plain
    assert [part.size for part in foreign_entries(plain, types[:2], pfns_of(types)[:2], FrameMap(p2m))] == [0, 0, 0]


def test_pinned_tables_are_tables() -> None:
    """Bit 3 of a type, pinned, changes nothing of what is done with a page."""
    pages, types, p2m = small()
    pinned = np.where(types != 0, types | 8, types).astype(np.uint8)
    expected = localise(pages, types, pfns_of(types), types, p2m)
    assert np.array_equal(localise(pages, pinned, pfns_of(types), pinned, p2m), expected)


def test_forbidden_flags_are_cleared_on_load() -> None:
    """An L1 entry loses GLOBAL and PAT, an L2 entry GLOBAL and PSE; the hypervisor's slots come up zero."""
    pages, types, p2m = small()
    pages[2, 7] |= 0x180
    pages[3, 9] |= 0x180
    pages[3, 1023] = 0x12345067
    local = localise(pages, types, pfns_of(types), types, p2m)
    assert local[2, 7] == (9 << 12 | PRESENT | RW)
    assert local[3, 9] == (7 << 12 | 0x067)
    assert local[3, 1023] == 0


MUTANTS = {
    "past the end from L1": (2, 1023, 4 << 12 | PRESENT, "points past the domain's last page"),
    "past the end from L2": (3, 1007, 0xFFFFF << 12 | PRESENT, "points past the domain's last page"),
    "writable mapping of an L1 table": (2, 0, 2 << 12 | PRESENT | RW, "a page table is mapped writable"),
    "writable mapping of an L2 table": (2, 0, 3 << 12 | PRESENT | RW, "a page table is mapped writable"),
    "L2 entry to a plain page": (3, 0, 1 << 12 | PRESENT, "points to a page that is no L1 table"),
    "L2 entry to itself": (3, 0, 3 << 12 | PRESENT, "points to a page that is no L1 table"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_each_broken_rule_is_refused_by_name(name: str) -> None:
    """A table that breaks a rule is refused with the rule, the table's PFN, the entry's index and its value."""
    pages, types, p2m = small()
    pfn, index, entry, message = MUTANTS[name]
    pages[pfn, index] = entry
    for act in (
        lambda: check(pages, types, pfns_of(types), types),
        lambda: localise(pages, types, pfns_of(types), types, p2m),
    ):
        with pytest.raises(RecordError, match=message) as caught:
            act()
        assert f"table PFN 0x{pfn:08x}, entry 0x{index:03x}" in caught.value.message
        assert caught.value.got == f"0x{entry:08x}"


def test_read_only_mappings_of_tables_are_allowed() -> None:
    """A guest may map its page tables as long as it cannot write them."""
    pages, types, p2m = small()
    pages[2, 0] = 3 << 12 | PRESENT
    assert localise(pages, types, pfns_of(types), types, p2m)[2, 0] == (6 << 12 | PRESENT)


def test_slots_of_the_hypervisor_are_not_checked() -> None:
    """Files of the time hold stale machine addresses in slots 1008 and up, which break no rule."""
    pages, types, _ = small()
    pages[3, HYPERVISOR_SLOT:] = 0xFFFFF067
    check(pages, types, pfns_of(types), types)


@pytest.mark.parametrize("type_", [3, 4, 11, 7])
def test_tables_of_deeper_paging_are_refused(type_: int) -> None:
    """Two-level paging has no L3 and no L4 table, on the way out, on the way in, and in a file."""
    pages, types, p2m = small()
    types[1] = type_
    pfns = pfns_of(types)
    with pytest.raises(DomainError, match="PFN 0x00000001 is typed as a table that i386 two-level paging"):
        canonicalise(pages, types, pfns, FrameMap(p2m))
    with pytest.raises(RecordError, match="PFN 0x00000001 is typed as a table that i386 two-level paging"):
        localise(pages, types, pfns, types, p2m)
    with pytest.raises(RecordError, match=f"got type {type_}"):
        check(pages, types, pfns, types)


@pytest.mark.parametrize(("pfn", "index"), [(2, 7), (3, 9)])
def test_a_foreign_frame_is_refused_and_found(pfn: int, index: int) -> None:
    """A present entry to a frame outside the map is refused by name; ``foreign_entries`` lists it."""
    pages, types, p2m = small()
    local = localise(pages, types, pfns_of(types), types, p2m)
    local[pfn, index] = 0x55555 << 12 | PRESENT
    frame_map = FrameMap(p2m)
    with pytest.raises(DomainError, match="a frame that is not the domain's") as caught:
        canonicalise(local, types, pfns_of(types), frame_map)
    assert f"PFN 0x{pfn:08x}, entry 0x{index:03x}" in caught.value.message
    assert caught.value.got == "0x55555001"
    found = foreign_entries(local, types, pfns_of(types), frame_map)
    assert [part.tolist() for part in found] == [[pfn], [index], [0x55555001]]


def test_a_large_page_is_refused_on_save() -> None:
    """A present L2 entry with PSE cannot be saved."""
    pages, types, p2m = small()
    local = localise(pages, types, pfns_of(types), types, p2m)
    local[3, 9] |= PSE
    with pytest.raises(DomainError, match=r"entry 0x009: an entry maps a large page \(PSE\)"):
        canonicalise(local, types, pfns_of(types), FrameMap(p2m))
