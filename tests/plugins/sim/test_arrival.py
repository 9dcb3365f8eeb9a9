"""Tests of domctx_sim.arrival: for each rule of a restore a good saved domain with one thing changed, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from domctx.errors import DomainError, DomctxError, RecordError
from domctx.states import GdtContext, SpecialMapping
from domctx_sim.layout import Command, Update
from domctx_sim.machine import Machine
from domctx_sim.p2m import machine_p2m
from helpers.machines import Saved, built, changed, copied, poke, suspend_itself, told_of

P2M, FRAME_LIST, RECORD, START_INFO, L1, L2 = 58, 59, 60, 61, 62, 63
"""Pages of the small domain."""
SHARED = SpecialMapping(L1, 64, 0x023, "shared_info")


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """The states of a small domain."""
    return Saved.of(built(tmp_path / "m"))


def refused(saved: Saved, folder: Path, message: str, kind: type[DomctxError] = DomctxError) -> None:
    """Loading is refused with a message, and leaves nothing beside the machine that was saved."""
    with pytest.raises(kind, match=message):
        saved.load(folder / "copy")
    assert [path.name for path in folder.iterdir()] == ["m"]


def test_a_good_one(saved: Saved, tmp_path: Path) -> None:
    """Where nothing is changed the loaded domain tells what the saved one told."""
    assert told_of(saved.load(tmp_path / "copy")) == told_of(tmp_path / "m")


@pytest.mark.parametrize(
    ("page", "word", "value", "message"),
    [
        (
            L1,
            5,
            64 << 12 | 0x021,
            "L1 table PFN 0x0000003e, entry 0x005: .* points past the domain's last page",
        ),
        (L1, 5, 0xFFFFF021, "points past the domain's last page"),
        (L1, 5, L1 << 12 | 0x023, "a page table is mapped writable"),
        (L1, 5, L2 << 12 | 0x023, "a page table is mapped writable"),
        (
            L2,
            5,
            64 << 12 | 0x067,
            "L2 table PFN 0x0000003f, entry 0x005: .* points past the domain's last page",
        ),
        (L2, 5, 9 << 12 | 0x067, "points to a page that is no L1 table"),
        (L2, 5, L2 << 12 | 0x065, "points to a page that is no L1 table"),
    ],
)
def test_rules_of_page_tables(saved: Saved, tmp_path: Path, page: int, word: int, value: int, message: str) -> None:
    """Step 8: ranges, writable mappings of tables and targets of L2 entries, each with its own message."""
    saved.pages[page, word] = value
    refused(saved, tmp_path, message, RecordError)


def test_flags_and_slots_that_are_dropped(saved: Saved, tmp_path: Path) -> None:
    """Step 8: GLOBAL, PAT and PSE are cleared, and the hypervisor's slots are its own, whatever the image holds."""
    before = told_of(tmp_path / "m")
    saved.pages[L1, 5] |= 0x180
    saved.pages[L2, 768] |= 0x180
    saved.pages[L2, 1008:] = 0xFFFF_FFFF
    assert told_of(saved.load(tmp_path / "copy")) == before


def test_a_guest_that_suspended_itself_maps_nothing(saved: Saved, tmp_path: Path) -> None:
    """A domain that suspended itself has no special mappings."""
    saved.tables = attrs.evolve(saved.tables, suspension=None)
    with pytest.raises(DomainError, match="a domain that suspended itself has given up all such"):
        saved.load(tmp_path / "copy")


def test_special_entries_are_judged(saved: Saved, tmp_path: Path) -> None:
    """What a special mapping asks for is judged by the machine as any entry is."""
    saved.tables = attrs.evolve(saved.tables, special=(attrs.evolve(SHARED, flags=0x123),))
    refused(saved, tmp_path, "an L1 entry sets GLOBAL or PAT: entry 64 of the table in MFN", DomainError)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "console"}, "its target is not shared_info"),
        ({"pfn": 64}, "there is no such word"),
        ({"pfn": -1}, "there is no such word"),
        ({"index": 1024}, "there is no such word"),
        ({"flags": 0x1001}, "there is no such word"),
        ({"flags": 0x022}, "it is neither a present entry of an L1 table nor a plain word"),
        ({"pfn": L2}, "it is neither a present entry of an L1 table nor a plain word"),
        ({"pfn": 5}, "it is neither a present entry of an L1 table nor a plain word"),
        ({"index": 7}, "the word is not zero"),
    ],
)
def test_special_mappings(saved: Saved, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """A special mapping of an unknown target, of no word, of a word that is no entry, or of one in use is refused."""
    saved.tables = attrs.evolve(saved.tables, special=(attrs.evolve(SHARED, **changes),))
    refused(saved, tmp_path, f"cannot map a frame that is not the domain's: {message}", DomainError)


def test_a_word_twice(saved: Saved, tmp_path: Path) -> None:
    """A word is mapped once."""
    saved.tables = attrs.evolve(saved.tables, special=(SHARED, SHARED))
    refused(saved, tmp_path, "the word is not zero; got flags 0x23, target 'shared_info'")


@pytest.mark.parametrize(
    ("page", "kind", "message"),
    [
        (RECORD, 1, "suspend record .* wrong page type"),
        (P2M, 1, r"frame_list\[0\] names PFN 0x0000003a, which is a page table"),
        (5, 3, "typed as a table that i386 two-level paging does not have"),
        (5, 7, "typed as a table that i386 two-level paging does not have"),
        (5, 1, "PFN 0x5 is typed as a page table that nothing uses; expected L1TAB, got NOTAB"),
        (L2, 1, "the page directory .* wrong page type"),
        (L2, 0, "the page directory .* wrong page type"),
        (L1, 0, "points to a page that is no L1 table"),
    ],
)
def test_page_types(saved: Saved, tmp_path: Path, page: int, kind: int, message: str) -> None:
    """Pages that are named must have the type that their use asks for, and no page may be typed without a use."""
    if page == 5:
        saved.pages[L1, 5] &= ~np.uint32(2)
    saved.tables.types[page] = kind
    refused(saved, tmp_path, message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pt_base": 64 << 12}, "page directory .* outside the domain's memory"),
        ({"pt_base": 5 << 12}, "the page directory .* wrong page type"),
        ({"ldt_base": 0x123}, "LDT is not page aligned"),
        ({"ldt_base": 0xC000_0000, "ldt_ents": 8193}, "LDT has too many entries"),
        ({"ldt_base": 0xFC40_0000}, "LDT lies in the hypervisor's addresses"),
    ],
)
def test_contexts(saved: Saved, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """Steps 12 and 14: what a context names must be there."""
    saved.cpu = attrs.evolve(saved.cpu, **changes)
    refused(saved, tmp_path, message, RecordError)


@pytest.mark.parametrize("esi", [64, L1, L2])
def test_suspend_record(saved: Saved, tmp_path: Path, esi: int) -> None:
    """Step 10: ESI names a page of the domain that is no table."""
    saved.cpu = attrs.evolve(saved.cpu, cpu_ctxt=attrs.evolve(saved.cpu.cpu_ctxt, esi=esi))
    refused(saved, tmp_path, "the suspend record", RecordError)


@pytest.mark.parametrize(
    ("gdt", "message"),
    [
        (GdtContext((5,), 513), "."),
        (GdtContext((64,), 5), "outside the domain's memory"),
        (GdtContext((L1,), 5), "wrong page type"),
        (GdtContext((5,) * 17, 8193), "."),
    ],
)
def test_gdt(saved: Saved, tmp_path: Path, gdt: GdtContext, message: str) -> None:
    """Step 11: a GDT has at most 8192 entries, and a page for each 512 begun that is there and no table."""
    saved.gdt = gdt
    refused(saved, tmp_path, message)


def test_gdt_that_is_mapped_writable(saved: Saved, tmp_path: Path) -> None:
    """The machine judges a GDT too: its pages may not be writable, and its descriptors must be harmless."""
    saved.gdt = GdtContext((5,), 300)
    refused(saved, tmp_path, "in use as something else; expected MFN .* as a frame of a GDT, got mapped writable")
    saved.pages[L1, 5] &= ~np.uint32(2)
    saved.pages[5, :4] = (0x0000FFFF, 0x00409A00, 0, 0)
    refused(saved, tmp_path, "a descriptor has privilege level 0: entry 0 of MFN")
    saved.pages[5, :4] = 0
    with Machine(saved.load(tmp_path / "copy")) as machine:
        cpu = machine.domain.cpu
        assert (cpu.gdt_ents, cpu.gdt_frames[0]) == (300, machine_p2m(machine, machine.domain)[5])
    assert told_of(tmp_path / "copy")["gdt"] == {0: saved.gdt}


@pytest.mark.parametrize("frame_list", [(), (P2M, P2M), (64,), (L2,)])
def test_frame_list(saved: Saved, tmp_path: Path, frame_list: tuple[int, ...]) -> None:
    """Step 13: the frame list has a page for each 1024, which is there and no table."""
    saved.tables = attrs.evolve(saved.tables, frame_list=frame_list)
    refused(saved, tmp_path, "frame_list|frame list", RecordError)


def test_context_is_made_safe(saved: Saved, tmp_path: Path) -> None:
    """Step 14: selectors that ask for ring 0 become Xen's flat ring-1 segments, and vectors their index."""
    traps = tuple(attrs.evolve(trap, vector=7, cs=0x0808) for trap in saved.cpu.trap_ctxt)
    saved.cpu = attrs.evolve(saved.cpu, trap_ctxt=traps, guestos_ss=0x10, event_callback_cs=0, failsafe_callback_cs=0)
    with Machine(saved.load(tmp_path / "copy")) as machine:
        cpu = machine.domain.cpu
    assert [trap.vector for trap in cpu.trap_ctxt] == list(range(256))
    assert {trap.cs for trap in cpu.trap_ctxt} == {cpu.event_callback_cs, cpu.failsafe_callback_cs} == {0x0819}
    assert cpu.guestos_ss == 0x0821


def test_pins_come_back_as_they_were(tmp_path: Path) -> None:
    """Bug 7 of seed 000: a table that was used but not pinned is not pinned after a load, one that was is."""
    folder = built(tmp_path / "m")
    assert told_of(copied(folder, tmp_path / "one"))["types"][-2:] == [1, 10]
    with changed(folder) as machine:
        p2m = machine_p2m(machine, machine.domain).astype(np.int64)
        pin = [(int(p2m[L1]) << 12 | Update.EXTENDED, Command.PIN_L1_TABLE)]
        machine.mmu.update(np.array(pin, np.uint32), machine.domain.id)
    assert told_of(copied(folder, tmp_path / "two"))["types"][-2:] == [9, 10]


def test_pins_that_are_not_told(saved: Saved, tmp_path: Path) -> None:
    """Step 9: where nothing is said of pins all tables are pinned, and nothing is said of them afterwards either."""
    saved.tables = attrs.evolve(saved.tables, types=saved.tables.types & np.uint8(7))
    goal = saved.load(tmp_path / "copy")
    with Machine(goal) as machine:
        assert machine.table.page_types(machine_p2m(machine, machine.domain))[-2:].tolist() == [9, 10]
    assert told_of(goal)["types"][-2:] == [1, 2]


def test_linear_page_tables(tmp_path: Path) -> None:
    """Xen tolerates a directory that maps itself, no restorer does: the saved domain is refused, by its entry."""
    folder = built(tmp_path / "m")
    with changed(folder) as machine:
        mfn = int(machine_p2m(machine, machine.domain)[L2])
        machine.mmu.update(np.array([(mfn << 12 | 900 << 2, mfn << 12 | 0x061)], np.uint32), machine.domain.id)
    refused(Saved.of(folder), tmp_path, "L2 table PFN 0x0000003f, entry 0x384: .* no L1 table")


def test_several_groups_of_tables(tmp_path: Path) -> None:
    """A domain of several L1 tables and P2M pages goes through as a small one does."""
    folder = built(tmp_path / "m", pages=3000, initrd=b"initrd" * 5000)
    assert told_of(copied(folder, tmp_path / "copy")) == told_of(folder)


def test_suspended_by_itself(tmp_path: Path) -> None:
    """A record that counts other pages than there are is refused."""
    folder = suspend_itself(built(tmp_path / "m"))
    saved = Saved.of(folder)
    saved.pages[RECORD, 74] = 63
    refused(saved, tmp_path, "counts other pages than the domain has; expected 64, got 63", DomainError)


def test_contents_of_free_pages(tmp_path: Path) -> None:
    """What a guest wrote anywhere comes back, on its stack over the reserved pages too."""
    folder = built(tmp_path / "m")
    with changed(folder) as machine:
        for page in (9, P2M, FRAME_LIST, RECORD, START_INFO):
            poke(machine, page, 1000, 0xCAFE_0000 + page)
    assert told_of(copied(folder, tmp_path / "copy")) == told_of(folder)
    with Machine(tmp_path / "copy") as machine:
        p2m = machine_p2m(machine, machine.domain)
        for page in (9, P2M, FRAME_LIST, RECORD, START_INFO):
            assert machine.frames.words[p2m[page], 1000] == 0xCAFE_0000 + page
