"""Tests of domctx_sim.machine: a machine's folder, its lock, and writing as dom0 does."""

from __future__ import annotations

import gc
import os
import weakref
from pathlib import Path

import numpy as np
import pytest

from domctx.errors import DomainError
from domctx_sim.frame_table import FrameType
from domctx_sim.layout import Command
from domctx_sim.machine import Machine
from helpers.bare_machines import DOMAIN, Bare
from helpers.domctx_process import domctx
from helpers.machines import built


def test_readers_together_writers_alone(tmp_path: Path) -> None:
    """A machine is read by many at once, and changed by one alone."""
    folder = built(tmp_path / "m")
    with Machine(folder), Machine(folder), pytest.raises(DomainError, match="in use\n  wait"):
        Machine(folder, writable=True)
    with Machine(folder, writable=True), pytest.raises(DomainError, match="in use"):
        Machine(folder)
    Machine(folder, writable=True).close()


def test_no_machine(tmp_path: Path) -> None:
    """A folder that is not there, or is no machine, is refused, and its lock is given back."""
    with pytest.raises(DomainError, match="No such file"):
        Machine(tmp_path / "none")
    for _ in range(2):
        with pytest.raises(DomainError, match="holds no simulated machine"):
            Machine(tmp_path, writable=True)


def test_a_machine_without_a_domain(tmp_path: Path) -> None:
    """A new machine has no domain."""
    with Machine.create(tmp_path) as machine, pytest.raises(DomainError, match="has no domain"):
        assert machine.domain


def test_what_is_not_saved_is_forgotten(tmp_path: Path) -> None:
    """Frame table and description go to the disk by ``save`` alone."""
    folder = built(tmp_path / "m")
    with Machine(folder, writable=True) as machine:
        machine.domain.vifs = 5
        machine.table.count[:] = 0
    with Machine(folder, writable=True) as machine:
        assert machine.domain.vifs == 1
        assert machine.table.count.any()
        machine.domain.vifs = 5
        machine.save()
    with Machine(folder) as machine:
        assert machine.domain.vifs == 5


def test_dom0_cannot_write_tables(tmp_path: Path) -> None:
    """Dom0 writes a domain's pages, but neither its tables in use nor frames of others."""
    bare = Bare.make(tmp_path)
    page = np.arange(1024, dtype=np.uint32)
    bare.machine.write(bare.mfns[3:4], page, DOMAIN)
    assert bare.peek(3, 5) == 5
    assert bare.counts(3) == (1, 0)
    bare.command(Command.PIN_L1_TABLE, 4)
    bare.machine.references.take(bare.mfns[5:6], FrameType.GDT, DOMAIN)
    bare.give_away(6)
    for number, message in ((4, "in use as something else"), (5, "in use as something else"), (6, "another owner")):
        with pytest.raises(DomainError, match=message):
            bare.machine.write(bare.mfns[number : number + 1], page, DOMAIN)
        assert bare.peek(number, 5) == 0


@pytest.mark.parametrize("name", ["machine.json", "frames", "frame_table", "kept.json"])
def test_a_pipe_in_the_folder_is_not_waited_for(name: str, tmp_path: Path) -> None:
    """Where a file of a machine is a pipe that nobody writes to, the machine is refused."""
    folder = built(tmp_path / "m")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    domctx("save", f"sim:{folder}", tmp_path / "a.dctx", code=6)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_closed_machine_goes_at_once(tmp_path: Path) -> None:
    """Its frame table is megabytes: they do not wait for the collector."""
    machine = Machine.create(tmp_path)
    parts = [weakref.ref(part) for part in (machine, machine.frames, machine.table, machine.references, machine.mmu)]
    gc.disable()
    try:
        machine.close()
        del machine
        assert [part() for part in parts] == [None] * len(parts)
    finally:
        gc.enable()
