"""Tests of domctx_sim.update: a machine that exists takes shared-info page and clock."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from domctx.api import Machine as Description
from domctx.errors import DomainError
from domctx.states import CLOCK, MEMORY, SHARED_INFO, SharedInfoContext, TscContext
from domctx_sim.machine import Machine
from domctx_sim.update import SimUpdate
from helpers.machines import built, require, told_of

TSC = TscContext(mode=2, khz=3, nsec=4, incarnation=5)
PAGE = SharedInfoContext("xen-2004-i386", bytes(range(256)) * 16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small domain."""
    return built(tmp_path / "m")


@pytest.mark.parametrize(("page", "tsc"), [(True, True), (True, False), (False, True), (False, False)])
def test_what_came_is_written(folder: Path, page: bool, tsc: bool) -> None:
    """Page and clock are taken where they came; everything else stays as it was."""
    before = told_of(folder)
    target = SimUpdate(str(folder))
    target.prepare(Description("", ""))
    if page:
        require(target, SHARED_INFO).store(PAGE)
    if tsc:
        require(target, CLOCK).store(TSC)
    target.commit()
    changes = ({"shared_info": PAGE} if page else {}) | ({"clock": TSC} if tsc else {})
    assert told_of(folder) == before | changes


def test_abort_changes_nothing(folder: Path) -> None:
    """An update that is given up leaves the machine as it was, and free."""
    before = told_of(folder)
    target = SimUpdate(str(folder))
    require(target, SHARED_INFO).store(PAGE)
    require(target, CLOCK).store(TSC)
    target.abort()
    assert told_of(folder) == before


@pytest.mark.parametrize(("failing", "call"), [("pwrite", 1), ("fsync", 1), ("fsync", 2), ("rename", 1), ("fsync", 3)])
def test_a_disk_that_refuses(folder: Path, monkeypatch: pytest.MonkeyPatch, failing: str, call: int) -> None:
    """Whichever call it refuses, page and clock are those from before: never one of each."""
    before, real = told_of(folder), getattr(os, failing)
    calls: list[object] = []

    def refuse(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == call:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(*arguments)

    monkeypatch.setattr(os, failing, refuse)
    target = SimUpdate(str(folder))
    require(target, SHARED_INFO).store(PAGE)
    require(target, CLOCK).store(TSC)
    with pytest.raises(DomainError, match="Input/output error"):
        target.commit()
    target.abort()
    assert told_of(folder) == before


def test_other_pages(folder: Path) -> None:
    """A page of another ABI is refused, and nothing is changed."""
    before = told_of(folder)
    target = SimUpdate(str(folder))
    require(target, SHARED_INFO).store(SharedInfoContext("xen-x86_64", bytes(4096)))
    require(target, CLOCK).store(TSC)
    with pytest.raises(DomainError, match="another ABI"):
        target.commit()
    target.abort()
    assert told_of(folder) == before


def test_no_other_states(folder: Path, tmp_path: Path) -> None:
    """An update has no memory; it needs a machine, and has it alone."""
    target = SimUpdate(str(folder))
    assert target.state(MEMORY) is None
    with pytest.raises(DomainError, match="in use"):
        Machine(folder)
    target.abort()
    with pytest.raises(DomainError, match="No such file"):
        SimUpdate(str(tmp_path / "none"))
