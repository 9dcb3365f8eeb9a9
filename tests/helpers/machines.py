"""Simulated machines for tests: built ones, changed ones, and their copies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from domctx.api import Machine as Description, StateKey, Target
from domctx.schema import encode
from domctx.states import (
    CLOCK,
    GDT,
    MEMORY,
    PAGE_TABLES,
    SHARED_INFO,
    VCPUS,
    GdtContext,
    PageBatch,
    PageTablesContext,
    SharedInfoContext,
    TscContext,
    VcpuContext,
)
from domctx_cpu.contexts import decode_context
from domctx_sim.arrays import Words
from domctx_sim.build import build_machine
from domctx_sim.domain import SimDomain
from domctx_sim.first import Order
from domctx_sim.kernel_image import KernelImage
from domctx_sim.lists import with_arch
from domctx_sim.machine import Machine
from domctx_sim.p2m import frame_map_of, machine_p2m
from domctx_sim.platforms import TWO_LEVEL, Platform
from domctx_sim.processor import processor_of
from domctx_sim.special import mappings
from domctx_sim.suspension import Reserved
from domctx_sim.target import SimTarget

BASE = 0xC000_0000
"""Where the test kernels are loaded."""


def order(**changes: Any) -> Order:
    """A small domain: 64 pages, a kernel of two pages that is no code."""
    payload = bytes(range(256)) * 20
    given: dict[str, Any] = {"image": KernelImage(BASE, payload), "pages": 64, "name": "small", **changes}
    return Order(**given)


def built(folder: Path, *, seed: int = 1, platform: Platform = TWO_LEVEL, **changes: Any) -> Path:
    """A machine in the new ``folder`` with the domain of ``order(**changes)``."""
    build_machine(folder, order(**changes), seed=seed, platform=platform)
    return folder


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[SimDomain]:
    """The domain of a machine, paused."""
    domain = SimDomain(str(folder))
    try:
        domain.pause()
        yield domain
    finally:
        domain.close()


@contextlib.contextmanager
def changed(folder: Path) -> Iterator[Machine]:
    """A machine to be changed; it is saved at the end."""
    with Machine(folder, writable=True) as machine:
        yield machine
        machine.save()


def poke(machine: Machine, pfn: int, word: int, value: int) -> None:
    """Write a word of a page of the built domain, whatever the page is used as."""
    mfn = machine_p2m(machine, machine.domain)[pfn : pfn + 1]
    contents = machine.frames.read(mfn)
    contents[0, word] = value
    machine.frames.write(mfn, contents)


def peek(machine: Machine, pfn: int, word: int) -> int:
    """Read a word of a page of the built domain."""
    return int(machine.frames.words[machine_p2m(machine, machine.domain)[pfn], word])


def suspend_itself(folder: Path) -> Path:
    """Let the guest of a built machine suspend itself as formats/xen.md 1.7 says; its own pages are the reserved ones.

    It unmaps shared_info with an update of its own, fills P2M, frame list and suspend record with MFNs, and stops
    with the record's MFN in ESI.
    """
    with changed(folder) as machine:
        domain = machine.domain
        assert domain.reserved is not None
        p2m = machine_p2m(machine, domain)
        reserved = Reserved.of(len(p2m), domain.reserved)
        shared = np.flatnonzero(machine.frames.words[p2m[reserved.start_info + 1]] >> 12 == domain.shared_info_frame)
        entry = int(p2m[reserved.start_info + 1]) << 12 | int(shared[0]) << 2
        machine.mmu.update(np.array([(entry, 0)], np.uint32), domain.id)
        info = machine.frames.words[p2m[reserved.start_info]]
        pages = reserved.fill(p2m, info, domain.shared_info_frame << 12)
        pages[-2, len(reserved.p2m_pages) :] = 0xDEAD
        machine.write(p2m[reserved.p2m : reserved.start_info].astype(np.int64), pages, domain.id)
        poke(machine, reserved.start_info, 1, 0)
        registers = attrs.evolve(domain.cpu.cpu_ctxt, esi=int(p2m[reserved.record]))
        domain.context = encode(attrs.evolve(domain.cpu, cpu_ctxt=registers))
        domain.run_state, domain.reserved = "suspended", None
    return folder


def suspend_itself_today(folder: Path) -> Path:
    """Let the guest of a built machine of today suspend itself: it unmaps shared_info, and names start_info's frame."""
    with changed(folder) as machine:
        domain, processor = machine.domain, processor_of(machine.platform)
        assert domain.reserved is not None
        frame_map = frame_map_of(machine, machine_p2m(machine, domain))
        types = machine.table.page_types(frame_map.p2m)
        for each in mappings(machine, frame_map, types, domain.shared_info_frame):
            entry = int(frame_map.p2m[each.pfn]) << 12 | each.index * machine.platform.paging.width
            machine.mmu.update(np.array([(entry, 0)], machine.platform.paging.entry), domain.id)
        mfn = int(frame_map.p2m[domain.reserved])
        domain.context = encode(processor.with_record(domain.cpu, mfn))
        domain.run_state, domain.reserved = "suspended", None
    return folder


def resume_itself_today(folder: Path, word: tuple[int, int], value: int) -> None:
    """Let such a guest go on: it maps shared_info again by entry (page, index), flags ``value``; it keeps no lists."""
    with changed(folder) as machine:
        domain, processor = machine.domain, processor_of(machine.platform)
        frame_map = frame_map_of(machine, machine_p2m(machine, domain))
        entry = int(frame_map.p2m[word[0]]) << 12 | word[1] * machine.platform.paging.width
        update = (entry, domain.shared_info_frame << 12 | value)
        machine.mmu.update(np.array([update], machine.platform.paging.entry), domain.id)
        record = processor.record(domain.cpu)
        domain.reserved = int(frame_map.pfn_of(np.array([record]))[0])
        domain.context = encode(processor.with_record(domain.cpu, 0))
        domain.run_state = "paused"
        page = machine.frames.words[domain.shared_info_frame].tobytes()
        octets = with_arch(page, machine.platform, pfn_to_mfn_frame_list_list=0)
        machine.write(np.array([domain.shared_info_frame]), np.frombuffer(octets, np.uint8), domain.id)


def require(holder: Any, key: Any) -> Any:
    """A state that is there."""
    state = holder.state(key)
    assert state is not None
    return state


@attrs.define(eq=False)
class Saved:
    """All states of a domain, copied; a test may change them before they are loaded."""

    description: Description
    pages: Words
    abi: str
    cpu: Any
    gdt: GdtContext
    shared_info: SharedInfoContext
    tables: PageTablesContext
    tsc: TscContext | None

    @classmethod
    def of(cls, folder: Path) -> Saved:
        """The states of the domain in ``folder``."""
        with opened(folder) as domain:
            return cls(
                description=domain.machine,
                pages=domain.view.pages(0, domain.view.frame_map.pfns),
                abi=domain.view.vcpu.abi,
                cpu=decode_context(domain.view.vcpu),
                gdt=domain.view.gdt,
                shared_info=require(domain, SHARED_INFO).context,
                tables=attrs.evolve(domain.view.page_tables, types=domain.view.page_tables.types.copy()),
                tsc=require(domain, CLOCK).tsc,
            )

    def hand_over(self, target: Target, *, leave_out: Sequence[StateKey[Any]] = (), batch: int = 100) -> None:
        """Store every state into a prepared target, but those left out."""
        wanted: list[StateKey[Any]] = [MEMORY, VCPUS, GDT, PAGE_TABLES, SHARED_INFO, CLOCK]
        states = {key: require(target, key) for key in wanted if key not in leave_out}
        if MEMORY in states:
            for first in range(0, len(self.pages), batch):
                pages = self.pages[first : first + batch].view(np.uint8)
                states[MEMORY].store(PageBatch(0, first, np.zeros(len(pages), np.uint8), pages))
        if VCPUS in states:
            states[VCPUS].store(0, VcpuContext(self.abi, encode(self.cpu)))
        if GDT in states:
            states[GDT].store(0, self.gdt)
        if PAGE_TABLES in states:
            states[PAGE_TABLES].store(self.tables)
        if SHARED_INFO in states:
            states[SHARED_INFO].store(self.shared_info)
        if CLOCK in states and self.tsc is not None:
            states[CLOCK].store(self.tsc)

    def load(self, goal: Path, *, seed: int = 2, leave_out: Sequence[StateKey[Any]] = ()) -> Path:
        """Load the states into the new machine ``goal``."""
        target = SimTarget(str(goal), seed=seed)
        try:
            target.prepare(self.description)
            self.hand_over(target, leave_out=leave_out)
            target.commit()
        except BaseException:
            target.abort()
            raise
        return goal


def copied(source: Path, goal: Path, *, seed: int = 2) -> Path:
    """The machine ``source`` saved and loaded into the new machine ``goal``, without an image between them."""
    return Saved.of(source).load(goal, seed=seed)


def told(domain: SimDomain) -> dict[str, Any]:
    """All that a domain tells of itself, to be compared."""
    tables: PageTablesContext = require(domain, PAGE_TABLES).context
    return {
        "machine": domain.machine,
        "memory": b"".join(batch.pages.tobytes() for batch in require(domain, MEMORY).batches()),
        "vcpus": require(domain, VCPUS).contexts,
        "gdt": require(domain, GDT).contexts,
        "shared_info": require(domain, SHARED_INFO).context,
        "types": tables.types.tolist(),
        "tables": (tables.width, tables.levels, tables.frame_list, tables.special, tables.suspension),
        "clock": require(domain, CLOCK).tsc,
    }


def told_of(folder: Path) -> dict[str, Any]:
    """All that the domain of a machine tells."""
    with opened(folder) as domain:
        return told(domain)
