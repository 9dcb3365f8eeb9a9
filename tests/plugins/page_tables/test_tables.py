"""Page tables of today's Xen, PAE and four-level, against a loop that knows no arrays (formats/xen.md 4.5)."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomainError, RecordError
from domctx.states import PageBatch, PageKind
from domctx_page_tables import FrameMap, canonicalise, canonicalise_batch, check, foreign_entries, localise
from domctx_x86 import PAE, X86_64_4LEVEL, Paging

MASK = 0x000F_FFFF_FFFF_F000
PRESENT, RW, PSE, NX = 1, 2, 0x80, 1 << 63
M2P_FRAME = 0x77
HYPERVISOR = {"PAE": (3, range(4, 512)), "four-level": (4, range(256, 272))}
"""By paging: the level of the tables, and the slots, that are Xen's."""

both = pytest.mark.parametrize("paging", [PAE, X86_64_4LEVEL], ids=["pae", "4-level"])


def replace(page: list[int], level: int, numbers: Any, paging: Paging, m2p_frame: int | None = None) -> list[int]:
    """Formats/xen.md 4.5, one entry at a time; ``numbers`` gives the new frame of an old one."""
    result = list(page)
    top, slots = HYPERVISOR[paging.name]
    m2p = paging is PAE and level == 2 and page[428] & PRESENT and (page[428] & MASK) >> 12 == m2p_frame
    for index, entry in enumerate(page):
        if level and ((level == top and index in slots) or (m2p and index >= 428)):
            result[index] = 0
        elif level and entry & PRESENT:
            result[index] = entry & ~MASK & (1 << 64) - 1 | numbers[(entry & MASK) >> 12] << 12
    return result


@attrs.frozen(eq=False)
class Guest:
    """A small guest whose tables keep every rule: canonical pages u64[N, 512], types u8[N], p2m u32[N]."""

    paging: Paging
    pages: Any
    types: Any
    p2m: Any

    @property
    def pfns(self) -> Any:
        """u32[N]"""
        return np.arange(len(self.types), dtype=np.uint32)

    def map(self, m2p_frame: int | None = None) -> FrameMap:
        """The guest's frames."""
        return FrameMap(self.p2m, paging=self.paging, m2p_frame=m2p_frame)

    def localised(self) -> Any:
        """The pages in machine frames."""
        return localise(self.pages, self.types, self.pfns, self.types, self.p2m, paging=self.paging)


def make(paging: Paging, count: int, seed: int, density: float) -> Guest:
    """A guest of ``count`` random pages, one at least of each level; frames reach beyond 4 GiB."""
    random = np.random.default_rng(seed)
    types = random.choice([0, 0, 0, *range(1, paging.levels + 1)], size=count).astype(np.uint8)
    types[: paging.levels + 1] = range(paging.levels + 1)
    p2m = random.choice(1 << 22, size=count, replace=False).astype(np.uint32) + np.uint32(0x100)
    pages = random.integers(0, 1 << 64, size=(count, 512), dtype=np.uint64, endpoint=False)
    for pfn in np.flatnonzero(types):
        targets = np.flatnonzero(types == types[pfn] - 1).astype(np.uint64)
        frames = random.choice(targets, size=512) << np.uint64(12)
        refused = np.uint64(MASK | (PSE if types[pfn] > 1 else 0))
        flags = pages[pfn] & ~refused | np.uint64(PRESENT)
        absent = pages[pfn] & ~np.uint64(PRESENT)
        pages[pfn] = np.where(random.random(512) < density, frames | flags, absent)
        top, slots = HYPERVISOR[paging.name]
        if types[pfn] == top:
            pages[pfn, slots.start : slots.stop] = 0
    return Guest(paging, pages, types, p2m)


@st.composite
def guests(draw: st.DrawFn) -> Guest:
    """Guests of both kinds."""
    paging = draw(st.sampled_from([PAE, X86_64_4LEVEL]))
    return make(paging, draw(st.integers(5, 30)), draw(st.integers(0, 2**32)), draw(st.sampled_from([0, 0.1, 0.8, 1])))


@settings(max_examples=40, deadline=None)
@given(guests())
def test_localise_agrees_with_the_loop_and_canonicalise_undoes_it(guest: Guest) -> None:
    """Frames are exchanged and all other bits kept, NX and software's among them; and the way back undoes it."""
    before = guest.pages.copy()
    local = guest.localised()
    rows = zip(guest.pages.tolist(), guest.types.tolist(), strict=True)
    assert local.tolist() == [replace(page, level, guest.p2m.tolist(), guest.paging) for page, level in rows]
    back = canonicalise(local, guest.types, guest.pfns, guest.map(), paging=guest.paging)
    assert np.array_equal(back, guest.pages)
    assert np.array_equal(guest.pages, before)
    check(guest.pages, guest.types, guest.pfns, guest.types, paging=guest.paging)


@settings(max_examples=40, deadline=None)
@given(guests(), st.integers(0, 2**64 - 1), st.booleans())
def test_canonicalise_agrees_with_the_loop_whatever_xen_left(guest: Guest, stale: int, mapped: bool) -> None:
    """Xen's slots come out zero, and what follows the M2P's in a PAE guest's L2 table, where it is mapped."""
    local = guest.localised()
    top, slots = HYPERVISOR[guest.paging.name]
    local[guest.types == top, slots.start : slots.stop] = stale
    if mapped:
        local[guest.types == 2, 428] = M2P_FRAME << 12 | PRESENT
        if guest.paging is PAE:
            local[guest.types == 2, 429:] = stale
    m2p = {mfn: pfn for pfn, mfn in enumerate(guest.p2m.tolist())}
    if mapped and guest.paging is X86_64_4LEVEL:
        with pytest.raises(DomainError, match="entry 0x1ac: a present entry points to a frame that is not the domain"):
            canonicalise(local, guest.types, guest.pfns, guest.map(M2P_FRAME), paging=guest.paging)
        return
    rows = zip(local.tolist(), guest.types.tolist(), strict=True)
    expected = [replace(page, level, m2p, guest.paging, M2P_FRAME) for page, level in rows]
    found = canonicalise(local, guest.types, guest.pfns, guest.map(M2P_FRAME), paging=guest.paging)
    assert found.tolist() == expected


@both
def test_large_pages_are_refused_both_ways(paging: Paging) -> None:
    """A present entry with PSE above L1 is refused by level and value; in an L1 table the bit is PAT and kept."""
    guest = make(paging, 8, 1, 0.0)
    guest.pages[2, 3] = 1 << 12 | PSE | PRESENT
    local = guest.pages.copy()
    local[2, 3] = int(guest.p2m[1]) << 12 | PSE | PRESENT
    message = r"L2 table PFN 0x00000002, entry 0x003: an entry maps a large page \(PSE\)"
    with pytest.raises(RecordError, match=message) as caught:
        guest.localised()
    assert caught.value.got == "0x0000000000001081"
    with pytest.raises(RecordError, match=message):
        check(guest.pages, guest.types, guest.pfns, guest.types, paging=paging)
    with pytest.raises(DomainError, match=message):
        canonicalise(local, guest.types, guest.pfns, guest.map(), paging=paging)
    guest.pages[2, 3] = 0
    guest.pages[1, 3] = NX | PSE | PRESENT
    assert int(guest.localised()[1, 3]) == NX | PSE | PRESENT | int(guest.p2m[0]) << 12


@both
def test_foreign_frames_are_refused_and_found(paging: Paging) -> None:
    """A frame that is no page of the domain is refused by name, and told by its table, index and value."""
    guest = make(paging, 8, 1, 0.0)
    entry = NX | 0xF_FFFF_FFFF << 12 | PRESENT
    local = guest.pages.copy()
    local[3, 2] = entry
    with pytest.raises(DomainError, match="L3 table PFN 0x00000003, entry 0x002") as caught:
        canonicalise(local, guest.types, guest.pfns, guest.map(), paging=paging)
    assert caught.value.got == f"0x{entry:016x}"
    found = foreign_entries(local, guest.types, guest.pfns, guest.map(), paging=paging)
    assert [column.tolist() for column in found] == [[3], [2], [entry]]


@both
@pytest.mark.parametrize(
    ("row", "entry", "message"),
    [
        (1, 99 << 12 | PRESENT, "points past the domain's last page"),
        (1, 1 << 51 | PRESENT, "points past the domain's last page"),
        (1, 3 << 12 | PRESENT | RW, "a page table is mapped writable"),
        (2, 0 << 12 | PRESENT, "points to a page that is no L1 table"),
        (3, 3 << 12 | PRESENT, "points to a page that is no L2 table"),
    ],
)
def test_each_broken_rule_is_refused_by_name(paging: Paging, row: int, entry: int, message: str) -> None:
    """A table that breaks a rule of the restore is refused, on the way in and when it is checked."""
    guest = make(paging, 8, 1, 0.0)
    guest.pages[row, 1] = entry
    with pytest.raises(RecordError, match=message):
        guest.localised()
    with pytest.raises(RecordError, match=message):
        check(guest.pages, guest.types, guest.pfns, guest.types, paging=paging)


def test_pae_has_no_l4_tables() -> None:
    """A page typed L4TAB is refused in a PAE guest, whichever way it goes."""
    guest = make(PAE, 8, 1, 0.0)
    guest.types[5] = 4
    with pytest.raises(RecordError, match="PFN 0x00000005 is typed as a table that PAE paging does not have"):
        guest.localised()
    with pytest.raises(DomainError, match="PFN 0x00000005 is typed as a table that PAE paging does not have"):
        canonicalise(guest.pages, guest.types, guest.pfns, guest.map(), paging=PAE)


@both
def test_batches_of_octets_are_tables_of_64_bits(paging: Paging) -> None:
    """A batch of pages is taken as entries of eight octets, and comes back as octets."""
    guest = make(paging, 20, 3, 0.8)
    octets = guest.localised().view(np.uint8)
    batch = PageBatch(0, 0, np.full(20, PageKind.DATA, np.uint8), octets)
    back = canonicalise_batch(batch, guest.types, guest.map(), paging=paging)
    assert np.array_equal(back.pages, guest.pages.view(np.uint8))
