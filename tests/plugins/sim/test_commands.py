"""Tests of domctx_sim.commands: pins, page-table base, LDT, flushes, and whom dom0 acts for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domctx.errors import DomainError
from domctx_sim.commands import subject_updates
from domctx_sim.layout import Command, Update
from helpers.bare_machines import DATA, DOMAIN, L1, L2, OTHER, Bare, pin, refused, snapshot


@pytest.fixture
def tables(tmp_path: Path) -> Bare:
    """Page 0 is an L1 table in a pinned L2 table, page 1."""
    return Bare.with_tables(tmp_path)


def test_dom0_names_its_subject(tables: Bare) -> None:
    """Dom0 has no tables of its own here, and a subject must exist."""
    update = np.array([(tables.address(L1, 8), 0)], np.uint32)
    with pytest.raises(DomainError, match="writes to a frame of another owner"):
        tables.machine.mmu.update(update, 0)
    for domain in (7, 1 << 32 | 1, 0x1_0001):
        with pytest.raises(DomainError, match="no such domain"):
            tables.machine.mmu.update(subject_updates(domain), 0)


def test_frames_subject_alone(tables: Bare) -> None:
    """A subject without SET_PAGETABLE_SUBJECTDOM is the owner of mapped frames only."""
    subject = subject_updates(DOMAIN)
    subject[1, 1] &= ~np.uint32(1 << 14)
    m2p = np.array([(tables.mfn(DATA) << 12 | Update.MACHPHYS, 5)], np.uint32)
    tables.machine.mmu.update(np.concatenate([subject, m2p]), 0)
    assert tables.machine.table.m2p[tables.mfn(DATA)] == 5
    with pytest.raises(DomainError, match="writes to a frame of another owner"):
        tables.machine.mmu.update(np.concatenate([subject, [(tables.address(L1, 8), 0)]]).astype(np.uint32), 0)


def test_flushes_do_nothing(tables: Bare) -> None:
    """Flushes of the TLB are taken."""
    before = snapshot(tables.machine, tables.mfns)
    tables.updates((Update.EXTENDED, Command.TLB_FLUSH), (0xC000_0000 | Update.EXTENDED, Command.INVLPG))
    assert snapshot(tables.machine, tables.mfns) == before


def test_processor_commands_need_a_built_domain(tables: Bare) -> None:
    """NEW_BASEPTR and SET_LDT are for domains that have a processor's context; dom0 has none here."""
    base = np.array([(tables.mfn(L2) << 12 | Update.EXTENDED, Command.NEW_BASEPTR)], np.uint32)
    ldt = np.array([(0xC000_0000 | Update.EXTENDED, 5 << 8 | Command.SET_LDT)], np.uint32)
    before = snapshot(tables.machine, tables.mfns)
    for command in (base, ldt):
        with pytest.raises(DomainError, match="not built yet"):
            tables.machine.mmu.update(command, DOMAIN)
        assert snapshot(tables.machine, tables.mfns) == before
        with pytest.raises(DomainError, match="no processor here"):
            tables.machine.mmu.update(command, 0)


@pytest.mark.parametrize(("base", "entries"), [(0xC000_0100, 1), (0xC000_0000, 8193), (0xFC3F_F000, 513)])
def test_misplaced_ldt(tables: Bare, base: int, entries: int) -> None:
    """An LDT must be page-aligned, of at most 8192 entries, and end below Xen's space."""
    updates = np.array([(base | Update.EXTENDED, entries << 8 | Command.SET_LDT)], np.uint32)
    with pytest.raises(DomainError, match="LDT is misplaced"):
        tables.machine.mmu.update(updates, DOMAIN)


def test_pinned_twice(tables: Bare) -> None:
    """A table is pinned once, and unpinned only while it is."""
    refused(tables, "pinned already", pin(tables, L2, Command.PIN_L2_TABLE))
    refused(tables, "pinned already", *[pin(tables, OTHER, Command.PIN_L1_TABLE)] * 2)
    refused(tables, "not pinned cannot be unpinned", pin(tables, L1, Command.UNPIN_TABLE))
