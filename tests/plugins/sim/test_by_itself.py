"""Tests of domctx_sim.by_itself: a guest that suspended itself, as a saved state shows it."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from domctx.errors import DomainError
from domctx.schema import decode, encode
from domctx.states import MEMORY, PAGE_TABLES
from domctx_sim.by_itself import suspended
from domctx_sim.layout import SuspendRecord
from domctx_sim.machine import Machine
from helpers.machines import built, changed, copied, opened, poke, require, suspend_itself, told_of

P2M, FRAME_LIST, RECORD = 58, 59, 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small domain that suspended itself."""
    return suspend_itself(built(tmp_path / "m"))


def test_as_it_stands(folder: Path) -> None:
    """Nothing is suspended on its behalf: ESI is its own record, and no special mapping is left."""
    with Machine(folder) as machine:
        view = suspended(machine)
        assert view.page_tables.suspension is None
        assert view.page_tables.special == ()
        assert view.page_tables.frame_list == (P2M,)
        assert decode(type(machine.domain.cpu), view.vcpu.octets).cpu_ctxt.esi == RECORD


def test_its_pages_are_canonical(folder: Path) -> None:
    """Its P2M, frame list and record hold page numbers; what it has behind them stays."""
    with Machine(folder) as machine:
        p2m, frame_list, page = suspended(machine).pages(P2M, 3)
    assert p2m[:64].tolist() == list(range(64))
    assert frame_list[:3].tolist() == [P2M, 0xDEAD, 0xDEAD]
    record = decode(SuspendRecord, page.tobytes()[:300])
    assert (record.nr_pfns, record.pfn_to_mfn_frame_list, record.resume_info.shared_info) == (64, FRAME_LIST, 0)


def test_through_loads(folder: Path, tmp_path: Path) -> None:
    """It tells the same from any frames: where it stopped, after a load, and after another one."""
    first = copied(folder, tmp_path / "first", seed=5)
    second = copied(first, tmp_path / "second", seed=6)
    assert told_of(folder) == told_of(first) == told_of(second)
    with Machine(second) as machine:
        assert (machine.domain.run_state, machine.domain.frame_list, machine.domain.reserved) == (
            "suspended",
            (P2M,),
            None,
        )


def test_what_it_finds_when_it_goes_on(folder: Path, tmp_path: Path) -> None:
    """Steps 10 and 13: after a load ESI names the record's frame, it tells shared_info, and the P2M is the new one."""
    with Machine(copied(folder, tmp_path / "copy")) as machine:
        record = machine.domain.cpu.cpu_ctxt.esi
        words = machine.frames.words[record]
        assert words[:3].tolist() == [64, machine.domain.shared_info_frame << 12, 0]
        told = suspended(machine).frame_map.p2m
        assert machine.frames.words[told[P2M], :64].tolist() == told.tolist()
        assert told[RECORD] == record


def test_a_shared_info_that_is_still_mapped(folder: Path) -> None:
    """A guest that suspended itself and still maps shared_info holds a foreign entry, which is refused."""
    with changed(folder) as machine:
        poke(machine, 62, 64, machine.domain.shared_info_frame << 12 | 0x023)
    with opened(folder) as domain, pytest.raises(DomainError, match="points to a frame that is not the domain's"):
        list(require(domain, MEMORY).batches())


@pytest.mark.parametrize("loaded", [False, True])
def test_bad_records(folder: Path, tmp_path: Path, loaded: bool) -> None:
    """An ESI that names no page of the domain, and a record that counts wrongly, are refused."""
    path = copied(folder, tmp_path / "copy") if loaded else folder
    with changed(path) as machine:
        cpu = machine.domain.cpu
        poke(machine, RECORD, 74, 63)
        with pytest.raises(DomainError, match="counts other pages than the domain has; expected 64, got 63"):
            suspended(machine)
        machine.domain.context = encode(attrs.evolve(cpu, cpu_ctxt=attrs.evolve(cpu.cpu_ctxt, esi=7)))
        with pytest.raises(DomainError, match=r"the suspend record.* is no page of the domain; got MFN 0x00007"):
            suspended(machine)


def test_it_goes_on_and_cannot_be_helped(folder: Path) -> None:
    """Once it runs again it has no reserved pages, and can only suspend itself."""
    with changed(folder) as machine:
        machine.domain.run_state = "running"
    with opened(folder) as domain, pytest.raises(DomainError, match="once it has suspended itself"):
        domain.state(PAGE_TABLES)
