"""Guests of today's Xen: saved and brought back, streamed as Xen's own tools do, and real ones taken in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from domctx.cli.run import run
from domctx.errors import DomainError, DomctxError
from domctx.schema import encode
from domctx.states import SHARED_INFO, PageType, SpecialMapping, Suspension
from domctx_sim import start_info
from domctx_sim.lists import top_of, with_arch
from domctx_sim.machine import Machine
from domctx_sim.p2m import machine_p2m
from domctx_sim.platforms import FOUR_LEVEL, PAE_TODAY, Platform
from domctx_sim.processor import processor_of
from domctx_x86 import PTE_RW
from helpers.counting_guest import LOOP, SETUP, made
from helpers.emulator import run_guest
from helpers.machines import (
    Saved,
    built,
    changed,
    copied,
    opened,
    poke,
    require,
    resume_itself_today,
    suspend_itself_today,
    told_of,
)
from helpers.xen_corpus import STREAMS, XEN_TOOLS, XenCorpus, verify_stream_v2

PLATFORMS = {"pae": PAE_TODAY, "4-level": FOUR_LEVEL}
PV = [name for name in STREAMS if "-pv-" in name]
P2M_PAGES = {"pae": 2, "4-level": 3}
"""Pages of the P2M of the small domain of 1300 pages: 1024 words of 4 octets in a page, or 512 of 8."""


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> Platform:
    """The machine's kind."""
    return PLATFORMS[request.param]


@pytest.fixture
def folder(platform: Platform, tmp_path: Path) -> Path:
    """A machine with a small domain that never ran."""
    return built(tmp_path / "m", platform=platform, pages=1300, seed=3)


def info_of(folder: Path) -> Any:
    """start_info as it stands in the machine, and the P2M."""
    with Machine(folder) as machine:
        p2m = machine_p2m(machine, machine.domain)
        record = machine.domain.reserved
        assert record is not None
        return start_info.read(machine.frames.words[p2m[record]].copy(), machine.platform), p2m


def test_what_the_guest_finds(folder: Path, platform: Platform) -> None:
    """start_info tells of the domain, its rings and its P2M, which holds the frame of every page."""
    info, p2m = info_of(folder)
    assert info.magic.rstrip(b"\0").decode() == {"pae": "xen-3.0-x86_32p", "4-level": "xen-3.0-x86_64"}[platform.name]
    assert (info.nr_pages, info.nr_p2m_frames) == (1300, P2M_PAGES[platform.name])
    assert {info.store_mfn, info.console_mfn} <= set(p2m.tolist())
    with Machine(folder) as machine:
        frames = machine.frames.read(p2m[info.first_p2m_pfn :][: info.nr_p2m_frames])
        assert np.array_equal(frames.view(platform.word).reshape(-1)[:1300], p2m)
        assert info.shared_info == machine.domain.shared_info_frame << 12
        assert int(p2m.max()) >= 1 << 20


def test_nothing_of_the_machine_is_saved(folder: Path, tmp_path: Path) -> None:
    """A domain that is loaded elsewhere tells the same, though it lies in other frames."""
    copied(folder, tmp_path / "copy", seed=9)
    assert told_of(tmp_path / "copy") == told_of(folder)
    assert info_of(tmp_path / "copy")[1].tolist() != info_of(folder)[1].tolist()
    assert info_of(tmp_path / "copy")[0].nr_pages == 1300


@pytest.mark.parametrize("itself", [False, True])
def test_by_way_of_images(folder: Path, tmp_path: Path, itself: bool) -> None:
    """Saved, loaded into other frames and saved again there is no difference, whoever suspended the guest."""
    source = suspend_itself_today(folder) if itself else folder
    assert run(["save", f"sim:{source}", str(tmp_path / "1.dctx")]) == 0
    assert run(["load", str(tmp_path / "1.dctx"), f"sim:{tmp_path / 'copy'}", "-O", "seed=9"]) == 0
    assert run(["save", f"sim:{tmp_path / 'copy'}", str(tmp_path / "2.dctx")]) == 0
    assert run(["diff", str(tmp_path / "1.dctx"), str(tmp_path / "2.dctx")]) == 0


@pytest.mark.parametrize("kind", PLATFORMS)
def test_a_guest_that_is_streamed_goes_on(kind: str, tmp_path: Path) -> None:
    """A guest that suspended itself, and went through a libxc stream into other frames, goes on as its twin."""
    guest, twin = made(tmp_path / "guest", kind), made(tmp_path / "twin", kind, seed=4)
    with opened(guest) as domain:
        word, p2m_pages = domain.view.page_tables.special[0], domain.view.page_tables.frame_list
    for each in (guest, twin):
        run_guest(each, SETUP + 100 * LOOP)
        suspend_itself_today(each)
    stream = tmp_path / "guest.img"
    assert run(["convert", f"sim:{guest}", f"xen:{stream}"]) == 0
    if XEN_TOOLS.exists():
        judged = verify_stream_v2(stream, "libxc")
        assert judged.returncode == 0, judged.stderr
    assert run(["convert", str(stream), f"sim:{tmp_path / 'moved'}", "-O", "seed=77"]) == 0
    moved = tmp_path / "moved"
    assert info_after(moved).tolist() != info_after(guest).tolist()
    for each in (moved, twin):
        resume_itself_today(each, (word.pfn, word.index), word.flags)
        run_guest(each, 100 * LOOP)
    one, other = told_of(moved), told_of(twin)
    lists = p2m_pages[-1] + 1, p2m_pages[-1] + 2
    assert without(one.pop("memory"), *lists) == without(other["memory"], *lists)
    assert one.pop("machine").run_state == "paused"
    assert one == {name: other[name] for name in one}
    assert np.frombuffer(other["memory"], np.uint32).reshape(-1, 1024)[64, 0] == 200


def info_after(folder: Path) -> Any:
    """The P2M of a domain."""
    with Machine(folder) as machine:
        return machine_p2m(machine, machine.domain)


def without(memory: bytes, *pages: int) -> bytes:
    """The memory without some pages: those in which a guest that keeps no lists any more still has stale ones."""
    return np.delete(np.frombuffer(memory, np.uint32).reshape(-1, 1024), pages, axis=0).tobytes()


@pytest.mark.parametrize("name", PV)
def test_real_guests_are_localised_and_accepted(name: str, corpus: Path, tmp_path: Path) -> None:
    """A PV guest that Xen saved comes into frames of a machine, and its judge finds every table as Xen had it.

    Streamed again it differs in nothing but the P2M and start_info, which the receiver makes anew, and Xen's verifier
    accepts it.
    """
    streams = XenCorpus(corpus / "xen", tmp_path)
    machine, stream = tmp_path / "m", tmp_path / "again.img"
    assert run(["convert", str(streams.path(name)), f"sim:{machine}"]) == 0
    with opened(machine) as domain:
        tables = domain.view.page_tables
        counts = {
            f"0x{kind:x}": int(count) for kind, count in zip(*np.unique(tables.types, return_counts=True), strict=True)
        }
        assert counts == streams.check(name)["page_types"]
        base = processor_of(FOUR_LEVEL).bases(domain.sim.domain.cpu)[0]
        assert domain.sim.table.page_types(np.array([base])).tolist() == [8 | 4]
    assert run(["convert", f"sim:{machine}", f"xen:{stream}"]) == 0
    made_anew = {*tables.frame_list, processor_of(FOUR_LEVEL).record(Saved.of(machine).cpu)}
    before, after = tmp_path / "before.raw", tmp_path / "after.raw"
    for source, goal in ((streams.path(name), before), (stream, after)):
        assert run(["extract", str(source), "memory", "-o", str(goal)]) == 0
    differ = (np.fromfile(before, "<u8") != np.fromfile(after, "<u8")).reshape(-1, 512).any(axis=1)
    assert set(np.flatnonzero(differ).tolist()) <= made_anew
    if XEN_TOOLS.exists():
        judged = verify_stream_v2(stream, "xl")
        assert judged.returncode == 0, judged.stderr


def saved(folder: Path, **tables: Any) -> Saved:
    """The states of a domain, with other page-table facts."""
    found = Saved.of(folder)
    found.tables = attrs.evolve(found.tables, **tables)
    return found


def with_top(found: Saved, platform: Platform, top: int) -> Saved:
    """The states with another page of lists in the shared-info page."""
    page = with_arch(found.shared_info.page, platform, pfn_to_mfn_frame_list_list=top)
    found.shared_info = attrs.evolve(found.shared_info, page=page)
    return found


def test_lists_that_lead_astray_are_refused(folder: Path, platform: Platform, tmp_path: Path) -> None:
    """Saved lists must be pages of the domain and lead to the P2M; a guest without lists is welcome."""
    first = Saved.of(folder).tables.frame_list[0]
    for top, message in (
        (1300, "name no page of the domain; got PFN 0x514"),
        (1, "name no page of the domain"),
        (first, "do not lead to the P2M"),
    ):
        with pytest.raises(DomctxError, match=message):
            with_top(Saved.of(folder), platform, top).load(tmp_path / "copy")
    with_top(Saved.of(folder), platform, 0).load(tmp_path / "copy")
    with opened(tmp_path / "copy") as domain:
        assert top_of(require(domain, SHARED_INFO).context.page, platform) == 0


def test_suspensions_that_cannot_be_undone(folder: Path, platform: Platform, tmp_path: Path) -> None:
    """Only the register that names start_info may have been replaced, and nothing displaced."""
    register = processor_of(platform).register
    for suspension, message in (
        (Suspension({"esi": 1}, {}), f"must have replaced {register.upper()} alone; got esi"),
        (Suspension({register: 1}, {5: b""}), "got .*displaced pages"),
    ):
        with pytest.raises(DomainError, match=message):
            saved(folder, suspension=suspension).load(tmp_path / "copy")
    with pytest.raises(DomainError, match="has given up all mappings of shared_info"):
        saved(folder, suspension=None).load(tmp_path / "copy")


def test_words_that_cannot_be_special(folder: Path, tmp_path: Path) -> None:
    """Shared_info is mapped by L1 entries alone; start_info's word is made anew without being told."""
    found = Saved.of(folder)
    info = processor_of(PLATFORMS[(found.description.pv_levels == 4 and "4-level") or "pae"]).record(found.cpu)
    with pytest.raises(DomainError, match="of plain words only start_info's names it"):
        saved(folder, special=(SpecialMapping(info, 5, 0, "shared_info"),)).load(tmp_path / "copy")


def test_guests_that_cannot_be_saved(folder: Path) -> None:
    """A guest that broke its P2M, or that has no start_info, is refused when it is saved."""
    with changed(folder) as machine:
        frame_list = machine.domain.frame_list
        assert frame_list is not None
        poke(machine, frame_list[0], 0, 5)
    with opened(folder) as domain, pytest.raises(DomainError, match="the guest's P2M is wrong for page 0x0"):
        assert domain.view
    with changed(folder) as machine:
        machine.domain.reserved = None
    with opened(folder) as domain, pytest.raises(DomainError, match="the domain has no start_info"):
        assert domain.view


def test_a_user_page_table_is_translated_with_the_kernels(tmp_path: Path) -> None:
    """A 64-bit guest's page table of user mode is a PFN with bit 0 in a saved state, and its frame in a machine."""
    folder = built(tmp_path / "m", platform=FOUR_LEVEL, pages=1300)
    found = Saved.of(folder)
    base = found.cpu.ctrlreg[3]
    found.cpu = attrs.evolve(found.cpu, ctrlreg=(0, base | 1, 0, base, 0, 0, 0, 0))
    found.load(tmp_path / "copy")
    with Machine(tmp_path / "copy") as machine:
        registers = machine.domain.cpu.ctrlreg
        assert registers[1] == registers[3] == int(machine_p2m(machine, machine.domain)[base >> 12]) << 12
        assert machine.table.type_count[registers[3] >> 12] == 3
    assert Saved.of(tmp_path / "copy").cpu.ctrlreg == found.cpu.ctrlreg


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ctrlreg": (0,) * 8}, r"ctrlreg\[3\] names PFN 0x00000000, which is no top-level page table; expected L4TAB"),
        ({"ctrlreg": (0, 0, 0, 99999 << 12, 0, 0, 0, 0)}, r"ctrlreg\[3\] is no page of the domain"),
        ({"ldt_ents": 8193}, "an LDT is misplaced"),
        ({"ldt_base": 5}, "an LDT is misplaced"),
    ],
)
def test_contexts_that_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """A context whose base is no top-level table, or whose LDT is misplaced, is refused."""
    found = Saved.of(built(tmp_path / "m", platform=FOUR_LEVEL, pages=1300))
    found.cpu = attrs.evolve(found.cpu, **changes)
    with pytest.raises(DomctxError, match=message):
        found.load(tmp_path / "copy")


def test_a_gdt_is_in_ordinary_pages_and_below_xens_entries(tmp_path: Path) -> None:
    """A GDT has at most 7168 entries, in pages that are no page tables; a good one is taken into use."""
    found = Saved.of(built(tmp_path / "m", platform=FOUR_LEVEL, pages=1300))
    table = int(np.flatnonzero(found.tables.types)[0])
    for frames, entries, message in (
        (tuple(range(1, 16)), 7169, "too many entries in the GDT; expected at most 7168"),
        ((table,), 5, r"gdt_frames\[0\] names PFN .* which is a page table"),
        ((1300,), 0, "the GDT has the wrong number of frames"),
    ):
        found.gdt = attrs.evolve(found.gdt, frames=frames, entries=entries)
        with pytest.raises(DomctxError, match=message):
            found.load(tmp_path / "copy")
    found.gdt = attrs.evolve(found.gdt, frames=(30,), entries=5)
    with pytest.raises(DomainError, match="as a frame of a GDT, got mapped writable"):
        found.load(tmp_path / "copy")
    last = int(np.flatnonzero(found.tables.types == PageType.L1TAB)[-1])
    found.pages[last].view("<u8")[30] &= ~np.uint64(PTE_RW)
    found.load(tmp_path / "copy")
    assert Saved.of(tmp_path / "copy").gdt == found.gdt


def test_a_start_info_that_is_no_page_of_the_domain(tmp_path: Path) -> None:
    """A machine whose description names a page that the domain does not have can be opened, and not be saved."""
    folder = built(tmp_path / "m", platform=FOUR_LEVEL, pages=200)
    with changed(folder) as machine:
        machine.domain.reserved = 200
    with pytest.raises(DomainError, match="start_info is no page of it; expected below 0xc8, got PFN 0xc8"):
        Saved.of(folder)


def test_cr3_of_a_32_bit_guest_is_folded(tmp_path: Path) -> None:
    """Frames above 4 GiB stand in the low bits of a 32-bit CR3 (formats/xen.md 4.5)."""
    processor = processor_of(PAE_TODAY)
    cpu = Saved.of(built(tmp_path / "m", platform=PAE_TODAY, pages=1300)).cpu
    high = processor.with_bases(cpu, [0x12_3456])
    assert high.ctrlreg[3] == 0x2345_6001
    assert processor.bases(high) == (0x12_3456,)
    assert len(encode(high)) == 2800
