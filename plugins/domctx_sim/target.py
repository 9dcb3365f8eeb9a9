"""A machine that is made anew from a saved state: a Target that nobody sees until it is whole."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
import numpy as np

from domctx.api import Machine as Description, RamBlock, StateKey
from domctx.errors import DomainError, UsageError
from domctx.states import (
    CLOCK,
    GDT,
    MEMORY,
    PAGE_TABLES,
    SHARED_INFO,
    VCPUS,
    GdtContext,
    PageTablesContext,
    SharedInfoContext,
)
from domctx.values import frozen
from domctx_clock import StoredClock
from domctx_cpu import StoredVcpus
from domctx_cpu.contexts import decode_context
from domctx_gdt import StoredGdt
from domctx_page_tables import StoredPageTables
from domctx_shared_info import StoredSharedInfo
from domctx_sim import kept
from domctx_sim.arrival import Arrival
from domctx_sim.dom0 import Dom0
from domctx_sim.domain import SCHEME
from domctx_sim.home import Home
from domctx_sim.incoming import UNTOLD, IncomingMemory
from domctx_sim.kept import Kept
from domctx_sim.layout import CreateDomain
from domctx_sim.machine import Machine, new_folder
from domctx_sim.metadata import RUN_STATES
from domctx_sim.platforms import PLATFORMS, TWO_LEVEL, Platform
from domctx_sim.states import BLOCK
from domctx_x86 import PAGE_SHIFT, PAGE_SIZE

T = TypeVar("T")


@frozen(eq=False)
class _Incoming:
    """What records put into the machine under way."""

    home: Home
    memory: IncomingMemory
    page_tables: StoredPageTables = attrs.field(factory=StoredPageTables)
    vcpus: StoredVcpus = attrs.field(factory=StoredVcpus)
    gdt: StoredGdt = attrs.field(factory=StoredGdt)
    shared_info: StoredSharedInfo = attrs.field(factory=StoredSharedInfo)
    clock: StoredClock = attrs.field(factory=StoredClock)
    kept: Kept = attrs.field(factory=Kept)

    @property
    def states(self) -> Mapping[StateKey[Any], Any]:
        """The states by key."""
        return {
            MEMORY: self.memory,
            PAGE_TABLES: self.page_tables,
            VCPUS: self.vcpus,
            GDT: self.gdt,
            SHARED_INFO: self.shared_info,
            CLOCK: self.clock,
            **(self.kept.states if self.home.platform.today else {}),
        }

    def arrival(self) -> Arrival:
        """All of it, once it is whole. Raises DomainError where something did not come or cannot be."""
        missing = self.memory.missing()
        if missing is not None:
            raise DomainError(f"page 0x{missing:x} is missing from the saved memory")
        contexts = self.vcpus.contexts
        if contexts.keys() != {0}:
            raise DomainError("the machine has one processor, vCPU 0", got=f"contexts of {sorted(contexts)[:8]}")
        abi = self.home.platform.abi
        if contexts[0].abi != abi:
            raise DomainError("the vCPU context is of another ABI", expected=abi, got=contexts[0].abi)
        gdts = self.gdt.contexts
        if gdts.keys() - {0}:
            raise DomainError("a GDT of a processor that the machine has not", got=f"GDTs of {sorted(gdts)[:8]}")
        return Arrival(
            home=self.home,
            cpu=decode_context(contexts[0]),
            gdt=gdts.get(0, GdtContext((), 0)),
            shared_info=check_shared_info(self.shared_info.context, abi),
            page_tables=self._tables(),
        )

    def _tables(self) -> PageTablesContext:
        context = self.page_tables.context
        if context is None:
            raise DomainError("the page types and the frame list are missing")
        found = (context.width, context.levels, len(context.types))
        paging = self.home.platform.paging
        expected = (paging.width, paging.levels, self.home.pages)
        if found != expected:
            raise DomainError("page tables of another shape (octets, levels, pages)", expected=expected, got=found)
        told = self.memory.types
        return attrs.evolve(context, types=np.where(told == UNTOLD, context.types, told))


def check_shared_info(context: SharedInfoContext | None, abi: str = TWO_LEVEL.abi) -> bytes:
    """The page, where there is one and it has that ABI. Raises DomainError."""
    if context is None:
        raise DomainError("the shared-info page is missing")
    found = (context.abi, len(context.page))
    if found != (abi, PAGE_SIZE):
        raise DomainError("the shared-info page is of another ABI", expected=(abi, PAGE_SIZE), got=found)
    return context.page


def platform_of(machine: Description) -> Platform:
    """The kind of machine of that hypervisor with page tables of so many levels; that of 2004 where none is."""
    known = {(platform.hypervisor, platform.paging.levels): platform for platform in PLATFORMS}
    return known.get((machine.hypervisor, machine.pv_levels or 0), TWO_LEVEL)


def check_description(machine: Description) -> RamBlock:
    """The RAM block of a machine that this one can be. Raises DomainError naming what it cannot be."""
    platform = platform_of(machine)
    what = "a simulated machine of today" if platform.today else "a machine of 2004"
    wanted = {
        "hypervisor": platform.hypervisor,
        "architecture": platform.architecture,
        "byte_order": "little",
        "page_shift": PAGE_SHIFT,
        "pv_width": platform.paging.word,
        "pv_levels": platform.paging.levels,
        "vcpus": (0,),
    }
    for name, value in wanted.items():
        found = getattr(machine, name)
        if found != value:
            raise DomainError(f"{what} cannot have this {name}", expected=value, got=found)
    state = machine.run_state
    if state not in RUN_STATES:
        raise DomainError("the run state is not known", expected=", ".join(RUN_STATES), got=repr(state)[:60])
    if len(machine.blocks) != 1 or machine.blocks[0].name != BLOCK or machine.blocks[0].page_shift != PAGE_SHIFT:
        names = ", ".join(block.name for block in machine.blocks)[:60]
        raise DomainError(f"{what} has one block of memory", expected=BLOCK, got=names or "none")
    block = machine.blocks[0]
    if block.size % PAGE_SIZE or not 0 < block.pages <= platform.paging.max_pfns:
        limit = f"whole pages, 1 .. {platform.paging.max_pfns}"
        raise DomainError("the memory has a size that no domain has", expected=limit, got=f"0x{block.size:x} octets")
    return block


class SimTarget:
    """A machine that comes to be; ``location`` is its working folder, published whole by ``commit``."""

    scheme = SCHEME

    def __init__(self, goal: str, *, force: bool = False, seed: int | None = None) -> None:
        """Begin a folder beside ``goal``. Raises UsageError or DomainError where ``goal`` exists and stays."""
        self._seed = seed
        self._exits = contextlib.ExitStack()
        self.location = str(self._exits.enter_context(new_folder(Path(goal), force=force)))
        self._incoming: _Incoming | None = None
        self._description = Description("", "")

    def prepare(self, machine: Description) -> None:
        """Create the domain. Raises DomainError where no simulated machine can be ``machine``."""
        block = check_description(machine)
        self._description = machine
        sim = self._exits.enter_context(Machine.create(Path(self.location), platform_of(machine)))
        dom0 = Dom0(sim, seed=self._seed)
        created = dom0.create_domain(CreateDomain(memory_kb=block.size >> 10, name=machine.name))
        p2m = dom0.get_mem_list(created.domain, block.pages).astype(np.uint32)
        home = Home(dom0, sim.domains[created.domain], p2m)
        self._incoming = _Incoming(home, IncomingMemory(home))

    def state(self, key: StateKey[T]) -> T | None:
        """The state to load into; None before ``prepare``, and for states that the machine has not."""
        found: T | None = self._incoming.states.get(key) if self._incoming else None
        return found

    def commit(self) -> None:
        """Make the pages a domain, and publish the machine. Raises DomainError or RecordError; abort it then."""
        if self._incoming is None:
            raise UsageError("a plain v10 image has no memory: it loads into a machine that exists", file=self.location)
        home = self._incoming.home
        self._incoming.arrival().settle()
        home.domain.command_line = self._description.command_line or ""
        home.domain.tsc = self._incoming.clock.tsc
        if self._description.run_state == "running" and home.domain.run_state == "paused":
            home.dom0.start_domain(home.domain.id)
        home.dom0.machine.save()
        kept.write(home.dom0.machine.folder, self._incoming.kept)
        self._exits.close()

    def abort(self) -> None:
        """Leave nothing behind."""
        aborted = DomainError("aborted")
        self._exits.__exit__(DomainError, aborted, None)
