"""The domain of a simulated machine, opened to be read and saved from."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from domctx.api import Machine as Description, StateKey
from domctx.requires import Requires
from domctx.states import CLOCK, GDT, MEMORY, PAGE_TABLES, SHARED_INFO, VCPUS, SharedInfoContext
from domctx_sim import by_itself, kept, on_behalf, today
from domctx_sim.machine import Machine
from domctx_sim.states import (
    SimClock,
    SimForeign,
    SimGdt,
    SimMemory,
    SimPageTables,
    SimParts,
    SimSharedInfo,
    SimVcpus,
    ram_block,
)
from domctx_sim.view import View

T = TypeVar("T")

SCHEME: Final = "sim"


class SimDomain(Requires):
    """A Domain over one machine's folder. What it gives is canonical, and never changes the machine."""

    scheme = SCHEME
    one_pass = False

    def __init__(self, location: str) -> None:
        """Open the machine beside other readers. Raises DomainError."""
        self.location = location
        self.sim = Machine.with_domain(Path(location))
        self._domain = self.sim.domain

    @property
    def machine(self) -> Description:
        """The description of the domain; its run state is the one in which it was found."""
        platform = self.sim.platform
        return Description(
            name=self._domain.name,
            architecture=platform.architecture,
            hypervisor=platform.hypervisor,
            blocks=(ram_block(len(self.sim.table.owned(self._domain.id))),),
            vcpus=(0,),
            run_state=self._domain.run_state,
            pv_width=platform.paging.word,
            pv_levels=platform.paging.levels,
            command_line=self._domain.command_line or None,
        )

    @functools.cached_property
    def view(self) -> View:
        """The domain, suspended and canonical. Raises DomainError for what no saved state can hold."""
        suspended = self._domain.run_state == "suspended"
        if self.sim.platform.today:
            return today.suspended(self.sim) if suspended else today.suspend(self.sim)
        return by_itself.suspended(self.sim) if suspended else on_behalf.suspend(self.sim)

    @functools.cached_property
    def _states(self) -> Mapping[StateKey[Any], Any]:
        abi = self.sim.platform.abi
        return {
            MEMORY: SimMemory(self.view),
            VCPUS: SimVcpus({0: self.view.vcpu}),
            GDT: SimGdt({0: self.view.gdt}),
            SHARED_INFO: SimSharedInfo(SharedInfoContext(abi, self.view.shared_info)),
            PAGE_TABLES: SimPageTables(self.view),
            CLOCK: SimClock(self._domain.tsc),
            **self._kept,
        }

    @functools.cached_property
    def _kept(self) -> Mapping[StateKey[Any], Any]:
        """What the machine keeps for its guest, to be read."""
        found = kept.read(self.sim.folder)
        parts = {key: SimParts(state.parts) for key, state in found.parts.items()}
        foreign = {key: SimForeign(state.parts) for key, state in found.foreign.items()}
        return {key: state for key, state in {**parts, **foreign}.items() if key in found.owned}

    def state(self, key: StateKey[T]) -> T | None:
        """The provider of a state, or None. Raises DomainError for what no saved state can hold."""
        found: T | None = self._states.get(key)
        return found

    def owned_states(self) -> Sequence[StateKey[Any]]:
        """All of them; the clock, and what the machine makes no use of, where it keeps any."""
        owned = (MEMORY, VCPUS, GDT, SHARED_INFO, PAGE_TABLES)
        return (*owned, *([] if self._domain.tsc is None else [CLOCK]), *self._kept)

    def pause(self) -> None:
        """Nothing runs in the simulation while a domain is open, so that nothing has to be told to the machine."""

    def unpause(self) -> None:
        """The domain is as it was found."""

    def close(self) -> None:
        """Close the machine."""
        self.sim.close()
