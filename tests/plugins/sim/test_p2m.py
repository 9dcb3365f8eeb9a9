"""Tests of domctx_sim.p2m: the P2M as the machine knows it and as guests tell it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domctx.errors import DomainError
from domctx_sim.machine import Machine
from domctx_sim.p2m import guest_p2m, machine_p2m, stored_p2m
from domctx_sim.suspension import Reserved
from helpers.bare_machines import FOREIGN
from helpers.machines import built, changed, poke, suspend_itself

RECORD, FRAME_LIST, P2M = 60, 59, 58
"""Pages of the small domain."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A domain that suspended itself."""
    return suspend_itself(built(tmp_path / "m"))


def follow(machine: Machine) -> Machine:
    """Follow the suspend record that the context names."""
    guest_p2m(machine, machine.domain, machine.domain.cpu.cpu_ctxt.esi)
    return machine


def test_both_agree(folder: Path) -> None:
    """The guest's P2M is the machine's, and both count every page once."""
    with Machine(folder) as machine:
        known = machine_p2m(machine, machine.domain)
        told = guest_p2m(machine, machine.domain, machine.domain.cpu.cpu_ctxt.esi)
        assert np.array_equal(told.frame_map.p2m, known)
        assert (told.record, told.frame_list, told.frames.tolist()) == (known[RECORD], known[FRAME_LIST], [known[P2M]])
        assert np.array_equal(stored_p2m(machine, machine.domain, np.array([P2M])).p2m, known)
    assert Reserved.of(64, RECORD).all == range(P2M, RECORD + 1)


def test_bad_m2p(folder: Path) -> None:
    """An M2P that gives a frame no page of the domain, or a page two frames, is refused."""
    with Machine(folder) as machine:
        known = machine_p2m(machine, machine.domain)
        machine.table.m2p[known[5]] = 64
        with pytest.raises(
            DomainError, match=f"MFN 0x{known[5]:05x} no page of the domain; expected below 0x40, got 0x40"
        ):
            machine_p2m(machine, machine.domain)
        machine.table.m2p[known[5]] = 6
        with pytest.raises(DomainError, match="gives page 0x6 two frames"):
            machine_p2m(machine, machine.domain)


@pytest.mark.parametrize(
    ("page", "word", "value", "message"),
    [
        (RECORD, 74, 65, "counts other pages than the domain has; expected 64, got 65"),
        (RECORD, 74, 0, "counts other pages"),
        (RECORD, 73, 0, "the frame list is no page of the domain; got MFN 0x00000"),
        (RECORD, 73, 1 << 20, "the frame list is no page of the domain; got MFN 0x100000"),
        (FRAME_LIST, 0, 5, "a frame of the P2M is no page of the domain; got MFN 0x00005"),
        (P2M, 9, 0xFFFF_FFFF, "a frame in the P2M is no page of the domain; got MFN 0xffffffff"),
    ],
)
def test_what_a_guest_tells_wrongly(folder: Path, page: int, word: int, value: int, message: str) -> None:
    """Step 2 of a save: record, frame list, P2M frames and all frames in it must be the domain's (1.8)."""
    with changed(folder) as machine:
        poke(machine, page, word, value)
        with pytest.raises(DomainError, match=message):
            follow(machine)


def test_frames_that_the_guest_does_not_own(folder: Path) -> None:
    """A suspend record in another owner's frame, or in the shared-info frame, is refused; so is a page given away."""
    with changed(folder) as machine:
        domain, known = machine.domain, machine_p2m(machine, machine.domain)
        for mfn in (7, domain.shared_info_frame):
            with pytest.raises(DomainError, match="the suspend record is no page of the domain"):
                guest_p2m(machine, domain, mfn)
        machine.table.owner[known[5]] = FOREIGN
        page = machine.frames.read(known[RECORD : RECORD + 1])
        page[0, 74] = 63
        machine.frames.write(known[RECORD : RECORD + 1], page)
        with pytest.raises(DomainError, match="a frame in the P2M is no page of the domain"):
            follow(machine)


def test_a_frame_twice(folder: Path) -> None:
    """Step 3 of a save: a frame that stands twice in the guest's P2M is refused."""
    with changed(folder) as machine:
        poke(machine, P2M, 9, int(machine_p2m(machine, machine.domain)[8]))
        with pytest.raises(DomainError, match="stands twice in the P2M"):
            follow(machine)


def test_a_p2m_that_does_not_fit_the_machine(folder: Path) -> None:
    """Where the machine remembers the frame list, the P2M must be its own, and the list must be whole."""
    with changed(folder) as machine:
        domain = machine.domain
        for pages in ([], [64], [P2M, P2M]):
            with pytest.raises(DomainError, match="frame list of the domain is damaged"):
                stored_p2m(machine, domain, np.array(pages, np.int64))
        poke(machine, P2M, 9, 0x123)
        with pytest.raises(DomainError, match=r"wrong for page 0x9; expected MFN .*, got MFN 0x00123 in PFN 0x3a"):
            stored_p2m(machine, domain, np.array([P2M]))
