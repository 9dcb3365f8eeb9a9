"""Tests of domctx_sim.on_behalf: a guest that did not suspend itself, as a saved state shows it."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest

from domctx.errors import DomainError
from domctx.schema import decode, encode
from domctx.states import SpecialMapping
from domctx_sim.layout import Command, SuspendRecord, Update
from domctx_sim.machine import Machine
from domctx_sim.on_behalf import suspend
from domctx_sim.p2m import machine_p2m
from helpers.bare_machines import FOREIGN
from helpers.machines import BASE, built, changed, copied, opened, peek, poke, told_of

P2M, FRAME_LIST, RECORD, START_INFO, L1, L2 = 58, 59, 60, 61, 62, 63
"""Pages of the small domain."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small domain."""
    return built(tmp_path / "m")


def test_special_words(folder: Path) -> None:
    """The words that name the shared-info frame are told, with their flags, and zero in the pages."""
    with Machine(folder) as machine:
        view = suspend(machine)
        assert view.page_tables.special == (
            SpecialMapping(START_INFO, 1, 0, "shared_info"),
            SpecialMapping(L1, 64, 0x023, "shared_info"),
        )
        pages = view.pages(0, 64)
        assert pages[START_INFO, 1] == pages[L1, 64] == 0
        assert peek(machine, START_INFO, 1) >> 12 == machine.domain.shared_info_frame


def test_what_is_no_special_word(folder: Path) -> None:
    """A start_info that the guest wrote over is kept as it is; a second mapping of shared_info is told too."""
    with changed(folder) as machine:
        poke(machine, START_INFO, 1, 0x1234)
        poke(machine, L1, 99, peek(machine, L1, 64) & ~2)
        view = suspend(machine)
        assert [(each.pfn, each.index, each.flags) for each in view.page_tables.special] == [
            (L1, 64, 0x023),
            (L1, 99, 0x021),
        ]
        assert view.pages(START_INFO, 1)[0, 1] == 0x1234


def test_reserved_pages_are_canonical(folder: Path) -> None:
    """P2M, frame list and suspend record hold page numbers, and no address of the machine."""
    with Machine(folder) as machine:
        view = suspend(machine)
        pages = view.pages(P2M, 3)
        assert pages[0, :64].tolist() == list(range(64))
        assert not pages[0, 64:].any()
        assert pages[1, :2].tolist() == [P2M, 0]
        record = decode(SuspendRecord, pages[2].tobytes()[:300])
        assert (record.nr_pfns, record.pfn_to_mfn_frame_list, record.resume_info.shared_info) == (64, FRAME_LIST, 0)
        assert record.resume_info.pt_base == BASE + L2 * 4096
        assert view.page_tables.frame_list == (P2M,)


def test_tables_are_canonical(folder: Path) -> None:
    """Page tables name pages, and the hypervisor's slots are zero."""
    with Machine(folder) as machine:
        view = suspend(machine)
        l1, l2 = view.pages(L1, 2)
        assert (l1[:64] >> 12).tolist() == list(range(64))
        assert l2[768] == L1 << 12 | 0x067
        assert np.count_nonzero(l2) == 1
        assert view.page_tables.types.tolist() == [0] * 62 + [1, 2 | 8]


def test_registers(folder: Path) -> None:
    """ESI names the suspend record's page and its own value is kept; the page directory is a page number."""
    with Machine(folder) as machine:
        view = suspend(machine)
        context = decode(type(machine.domain.cpu), view.vcpu.octets)
        assert (context.cpu_ctxt.esi, context.pt_base) == (RECORD, L2 << 12)
        assert view.page_tables.suspension is not None
        assert view.page_tables.suspension.registers == {"esi": BASE + START_INFO * 4096}
        assert attrs.evolve(context.cpu_ctxt, esi=0) == attrs.evolve(machine.domain.cpu.cpu_ctxt, esi=0)


def test_displaced_contents(folder: Path) -> None:
    """Only contents that the suspension replaces are kept: none of a live P2M, zeros as nothing, others as they are."""
    with changed(folder) as machine:
        view = suspend(machine)
        assert view.page_tables.suspension is not None
        assert view.page_tables.suspension.displaced == {FRAME_LIST: b"", RECORD: b""}
        poke(machine, RECORD, 1023, 0x5555)
        poke(machine, P2M, 1000, 7)
        suspension = suspend(machine).page_tables.suspension
        assert suspension is not None
        assert suspension.displaced.keys() == {P2M, FRAME_LIST, RECORD}
        assert suspension.displaced[RECORD] == bytes(4092) + b"\x55\x55\0\0"


def test_nothing_is_changed(folder: Path) -> None:
    """Looking at all states of a domain leaves every file of the machine as it was."""
    before = {path.name: (path.stat().st_mtime_ns, path.stat().st_blocks) for path in folder.iterdir()}
    told_of(folder)
    assert {path.name: (path.stat().st_mtime_ns, path.stat().st_blocks) for path in folder.iterdir()} == before


def test_nothing_of_the_machine_shows(tmp_path: Path) -> None:
    """The same domain in other frames, with shared_info elsewhere, tells the very same, through any number of loads."""
    first = built(tmp_path / "a", seed=1, initrd=b"x" * 5000)
    with changed(first) as machine:
        poke(machine, RECORD, 512, 0xABCD)
    machines = [first]
    for number in range(3):
        machines.append(copied(machines[-1], tmp_path / f"copy{number}", seed=10 + number))
    p2ms = []
    for path in machines:
        with Machine(path) as machine:
            p2ms.append(machine_p2m(machine, machine.domain))
    assert not np.any(p2ms[0] == p2ms[1])
    tellings = [told_of(path) for path in machines]
    assert all(telling == tellings[0] for telling in tellings)


def test_shared_info_elsewhere(folder: Path, tmp_path: Path) -> None:
    """A domain whose shared-info frame is another one tells the same."""
    before = told_of(folder)
    with changed(folder) as machine:
        domain, former = machine.domain, machine.domain.shared_info_frame
        machine.frames.write(np.array([200]), machine.frames.read(np.array([former])))
        domain.shared_info_frame = 200
        machine.table.owner[200] = domain.id
        poke(machine, L1, 64, 200 << 12 | 0x023)
        poke(machine, START_INFO, 1, 200 << 12)
    assert told_of(folder) == before


def test_foreign_entries(folder: Path) -> None:
    """Any other present entry to a frame that is not the domain's own is refused, and named."""
    with changed(folder) as machine:
        mfn = int(machine_p2m(machine, machine.domain)[5])
        machine.table.owner[mfn] = FOREIGN
        machine.table.owner[50_000] = machine.domain.id
        machine.table.flags[50_000] = 1
        machine.table.m2p[50_000] = 5
        view = suspend(machine)
        with pytest.raises(DomainError, match="L1 table PFN 0x0000003e, entry 0x005: a present entry points"):
            view.pages(0, 64)


def test_large_pages(folder: Path) -> None:
    """A directory that maps a large page, which Xen never lets in, is refused."""
    with changed(folder) as machine:
        poke(machine, L2, 3, 5 << 22 | 0x0E7)
        with pytest.raises(DomainError, match="L2 table PFN 0x0000003f, entry 0x003: an entry maps a large page"):
            suspend(machine).pages(0, 64)


def test_domains_that_cannot_be_suspended(folder: Path) -> None:
    """Without reserved pages, or where they are no more what they were, a domain cannot be suspended on its behalf."""
    with changed(folder) as machine:
        domain = machine.domain
        for reserved, message in ((None, "has no reserved pages"), (1, "no room"), (63, "no room")):
            domain.reserved = reserved
            with pytest.raises(DomainError, match=message):
                suspend(machine)
        domain.reserved = RECORD
        unmap = int(machine_p2m(machine, domain)[L1]) << 12 | FRAME_LIST << 2
        pin = int(machine_p2m(machine, domain)[FRAME_LIST]) << 12 | Update.EXTENDED
        machine.mmu.update(np.array([(unmap, 0), (pin, Command.PIN_L1_TABLE)], np.uint32), domain.id)
        with pytest.raises(DomainError, match="uses a reserved page as a page table; got PFN 0x3b"):
            suspend(machine)


def test_start_info_became_a_table(folder: Path) -> None:
    """A guest may use the page of start_info as a page table: nothing is taken from it then."""
    with changed(folder) as machine:
        p2m = machine_p2m(machine, machine.domain)
        machine.frames.write(p2m[START_INFO : START_INFO + 1], np.zeros(1024, np.uint32))
        poke(machine, START_INFO, 1, machine.domain.shared_info_frame << 12 | 0x023)
        unmap = int(p2m[L1]) << 12 | START_INFO << 2
        pin = int(p2m[START_INFO]) << 12 | Update.EXTENDED
        machine.mmu.update(np.array([(unmap, 0), (pin, Command.PIN_L1_TABLE)], np.uint32), machine.domain.id)
        view = suspend(machine)
        assert [(each.pfn, each.index) for each in view.page_tables.special] == [(START_INFO, 1), (L1, 64)]
        assert not view.pages(RECORD, 1)[0, :73].any()


def test_a_domain_that_was_not_built(folder: Path) -> None:
    """A domain without a processor's context cannot be saved."""
    with changed(folder) as machine:
        machine.domain.context = b""
        with pytest.raises(DomainError, match="not built yet"):
            suspend(machine)


def test_processors_that_cannot_be_saved(folder: Path) -> None:
    """Bugs 3 and 10 of seed 000: a page directory or GDT that is no page, or no good number, is refused."""
    with changed(folder) as machine:
        cpu = machine.domain.cpu
        for changes, message in (
            ({"pt_base": 0x5000}, "the page directory is no page of the domain; got MFN 0x00005"),
            (
                {"gdt_ents": 513, "gdt_frames": (cpu.pt_base >> 12, 7, *[0] * 14)},
                "a GDT frame is no page of the domain",
            ),
            ({"pt_base": cpu.pt_base | 8}, "the page-table base is not the address of a page"),
            ({"gdt_ents": 8193}, "too many entries in the GDT; expected at most 8192, got 8193"),
        ):
            machine.domain.context = encode(attrs.evolve(cpu, **changes))
            with pytest.raises(DomainError, match=message):
                suspend(machine)


def test_running_domains(folder: Path) -> None:
    """A domain that runs is described as running while it is saved, so that what is loaded of it runs too."""
    with changed(folder) as machine:
        machine.domain.run_state = "running"
    with opened(folder) as domain:
        assert domain.machine.run_state == "running"
        domain.unpause()
        assert domain.machine.run_state == "running"
