"""Tests of domctx_sim.domain: the domain of a machine, opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domctx.api import Machine as Description, StateKey
from domctx.errors import DomainError
from domctx.states import CLOCK, DEVICES, GDT, MEMORY, PAGE_TABLES, SHARED_INFO, VCPUS
from domctx_sim.domain import SimDomain
from domctx_sim.machine import Machine
from domctx_sim.states import ram_block
from helpers.machines import built, changed, opened


def test_description(tmp_path: Path) -> None:
    """A domain describes itself."""
    with opened(built(tmp_path / "m", command_line="ro")) as domain:
        assert domain.machine == Description(
            name="small",
            architecture="i386",
            hypervisor="xen-2004",
            blocks=(ram_block(64),),
            vcpus=(0,),
            run_state="paused",
            pv_width=4,
            pv_levels=2,
            command_line="ro",
        )
        assert (domain.scheme, domain.location, domain.one_pass) == ("sim", str(tmp_path / "m"), False)


def test_states(tmp_path: Path) -> None:
    """It owns its states, has no others, and has a clock where the machine keeps one."""
    folder = built(tmp_path / "m")
    keys: tuple[StateKey[Any], ...] = (MEMORY, VCPUS, GDT, SHARED_INFO, PAGE_TABLES, CLOCK)
    with opened(folder) as domain:
        assert domain.owned_states() == keys
        assert all(domain.state(key) is not None for key in keys)
        assert domain.state(MEMORY) is domain.state(MEMORY)
        assert domain.state(DEVICES) is None
    with changed(folder) as machine:
        machine.domain.tsc = None
    with opened(folder) as domain:
        assert domain.owned_states() == keys[:-1]


def test_machine_without_a_domain(tmp_path: Path) -> None:
    """A machine without a domain cannot be opened as one, and is not held afterwards."""
    Machine.create(tmp_path).close()
    with pytest.raises(DomainError, match="has no domain"):
        SimDomain(str(tmp_path))
    Machine(tmp_path, writable=True).close()


def test_several_readers(tmp_path: Path) -> None:
    """A domain can be read by two at once, and the machine is free when both are closed."""
    folder = built(tmp_path / "m")
    with opened(folder), opened(folder), pytest.raises(DomainError, match="in use"):
        Machine(folder, writable=True)
    Machine(folder, writable=True).close()
