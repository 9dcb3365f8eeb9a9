"""The privileged operations that builders, savers and restorers use (formats/xen.md 1.5, DOM0 ops).

Source: xen/common/dom0_ops.c and xen/common/domain.c (final_setup_guestos) at commit 8babea8308.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from domctx.errors import DomainError
from domctx.schema import decode, size_of
from domctx_sim.arrays import Numbers, Words
from domctx_sim.commands import DOM0, subject_updates
from domctx_sim.frame_table import FrameType
from domctx_sim.layout import (
    MAX_VIFS,
    BuildDomain,
    CreateDomain,
    DomainInfo,
    DomainState,
    PageFrameInfo,
)
from domctx_sim.machine import Machine
from domctx_sim.metadata import DomainRecord
from domctx_sim.processor import processor_of
from domctx_sim.rules import check_gdt_entries, check_ldt
from domctx_x86 import PAGE_SHIFT, gdt_frame_count


class Dom0:
    """Dom0 of one machine. Each operation raises DomainError where Xen refuses it."""

    def __init__(self, machine: Machine, *, seed: int | None = None) -> None:
        """``seed`` makes the scattering of frames repeatable."""
        self.machine = machine
        self._random = np.random.default_rng(seed)
        self._page_lists: dict[int, Numbers] = {}

    def _domain(self, domain: int) -> DomainRecord:
        record = self.machine.domains.get(domain)
        if record is None:
            raise DomainError("no such domain", got=domain)
        return record

    def create_domain(self, operation: CreateDomain) -> CreateDomain:
        """CREATEDOMAIN: scattered frames, and a shared-info frame of zeros. The answer holds the domain's id."""
        pages = operation.memory_kb >> PAGE_SHIFT - 10
        if self.machine.domains:
            raise DomainError("the machine holds a domain already", file=str(self.machine.folder))
        most = self.machine.platform.max_name - 1
        if not operation.name.isascii() or "\0" in operation.name or len(operation.name) > most:
            raise DomainError(
                "the domain's name cannot be kept",
                expected=f"at most {most} ASCII characters",
                got=repr(operation.name),
            )
        if not pages:
            raise DomainError("a domain needs memory", expected="4 KiB or more", got=f"{operation.memory_kb} KiB")
        domain = 1
        table = self.machine.table
        self._page_lists[domain] = table.allocate(domain, pages, self._random)
        self.machine.domains[domain] = DomainRecord(
            platform=self.machine.platform, id=domain, name=operation.name, shared_info_frame=table.share(domain)
        )
        return attrs.evolve(operation, domain=domain)

    def build_domain(self, operation: BuildDomain) -> None:
        """BUILDDOMAIN: the processor's context, its page-table base, its GDT, its virtual network interfaces."""
        self.install(operation.domain, operation.context, operation.num_vifs)

    def install(self, domain: int, context: bytes, vifs: int) -> None:
        """The same, of a context that has the machine's ABI, in machine frames."""
        record = self._domain(domain)
        if record.context:
            raise DomainError("the domain is built already", got=f"domain {domain}")
        if not 0 <= vifs <= MAX_VIFS:
            raise DomainError("too many network interfaces", expected=f"at most {MAX_VIFS}", got=vifs)
        platform = self.machine.platform
        processor = processor_of(platform)
        cpu = decode(processor.layout, context)
        check_ldt(cpu.ldt_base, cpu.ldt_ents, platform.segment_limit)
        bases = np.array(processor.bases(cpu))
        references = self.machine.references
        references.take(bases, FrameType(platform.paging.levels), domain)
        try:
            self._install_gdt(cpu, domain)
        except DomainError:
            references.drop(bases)
            raise
        record.context, record.vifs = context, vifs

    def _install_gdt(self, cpu: Any, domain: int) -> None:
        limit = self.machine.table.frames
        check_gdt_entries(cpu.gdt_ents, self.machine.platform.gdt_entries)
        frames = cpu.gdt_frames[: gdt_frame_count(cpu.gdt_ents)]
        beyond = [frame for frame in frames if frame >= limit]
        if beyond:
            raise DomainError("a GDT frame that no machine has", expected=f"below 0x{limit:x}", got=f"0x{beyond[0]:x}")
        if frames:
            self.machine.references.take(np.array(frames), FrameType.GDT, domain, first=frames[0])

    def start_domain(self, domain: int) -> None:
        """STARTDOMAIN: let a built domain run."""
        record = self._domain(domain)
        if not record.context:
            raise DomainError("the domain was not built yet", got=f"domain {domain}")
        record.run_state = "running"

    def stop_domain(self, domain: int) -> None:
        """STOPDOMAIN; a domain that is stopped stays as it is."""
        record = self._domain(domain)
        if record.run_state == "running":
            record.run_state = "paused"

    def destroy_domain(self, domain: int, *, force: bool = False) -> None:
        """DESTROYDOMAIN: a domain that runs must be asked to stop first, unless ``force``. Its memory is scrubbed."""
        if self._domain(domain).run_state == "running" and not force:
            raise DomainError("the domain runs", got=f"domain {domain}", hint="stop it first, or force")
        del self.machine.domains[domain]
        self.machine.table.release(domain)
        self.machine.frames.scrub()

    def get_domain_info(self, domain: int) -> DomainInfo:
        """GETDOMAININFO; the context is zeros until the domain is built, and while it runs."""
        record = self._domain(domain)
        running = record.run_state == "running"
        hidden = running or not record.context
        return DomainInfo(
            domain=domain,
            name=record.name,
            processor=0,
            has_cpu=0,
            state=DomainState.ACTIVE if running else DomainState.STOPPED,
            hyp_events=0,
            tot_pages=len(self.machine.table.owned(domain)),
            cpu_time=0,
            shared_info_frame=record.shared_info_frame,
            context=bytes(size_of(processor_of(record.platform).layout)) if hidden else record.context,
        )

    def get_page_frame_info(self, operation: PageFrameInfo) -> PageFrameInfo:
        """GETPAGEFRAMEINFO: what a frame of the domain is used as; the answer holds the type."""
        self._domain(operation.domain)
        limit = self.machine.table.frames
        if operation.pfn >= limit:
            raise DomainError("a frame that no machine has", expected=f"below 0x{limit:x}", got=f"0x{operation.pfn:x}")
        mfns = np.array([operation.pfn])
        self.machine.references.own(mfns, operation.domain)
        level = int(self.machine.table.page_types(mfns)[0]) & 7
        return attrs.evolve(operation, type=level)

    def get_mem_list(self, domain: int, max_pfns: int) -> Numbers:
        """GETMEMLIST: the MFNs of at most ``max_pfns`` of the domain's pages, in no order that means anything."""
        self._domain(domain)
        return self._page_lists.get(domain, self.machine.table.owned(domain))[:max_pfns]

    def mmu_update(self, domain: int, updates: Words) -> None:
        """Page-table updates on a domain's behalf: [n, 2] of ``ptr`` and ``val``, as wide as the entries."""
        subject = subject_updates(domain).astype(updates.dtype)
        self.machine.mmu.update(np.concatenate([subject, updates]), DOM0)
