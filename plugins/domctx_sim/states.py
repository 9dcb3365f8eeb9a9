"""The states of a simulated domain that is read: memory and page tables over its view, the others as copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from domctx.api import Placement, RamBlock
from domctx.errors import DomainError
from domctx.states import (
    ForeignPart,
    GdtContext,
    PageBatch,
    PageKind,
    PageTablesContext,
    SharedInfoContext,
    TscContext,
    VcpuContext,
)
from domctx_clock import StoredClock
from domctx_cpu import StoredVcpus
from domctx_cpu.stored import StoredVcpuParts
from domctx_foreign.stored import StoredForeign
from domctx_gdt import StoredGdt
from domctx_page_tables import canonicalise_batch, localise_batch
from domctx_shared_info import StoredSharedInfo
from domctx_sim.view import View
from domctx_x86 import PAGE_SHIFT

BLOCK: Final = "ram"
"""The one RAM block of a simulated domain."""


def ram_block(pages: int) -> RamBlock:
    """The RAM block of a domain of ``pages`` pages, from address 0 on."""
    size = pages << PAGE_SHIFT
    return RamBlock(BLOCK, size, PAGE_SHIFT, (Placement(0, 0, size),))


def read_only(what: str) -> DomainError:
    """The refusal to write a state of a domain that was opened to be read."""
    return DomainError(f"{what} of a simulated machine is written only while it is loaded")


def check_range(block: int, first: int, count: int, pages: int) -> None:
    """Raise DomainError for pages that a domain of ``pages`` pages does not have."""
    if block or not 0 <= first <= first + count <= pages:
        raise DomainError(
            "pages outside the domain's memory",
            expected=f"block 0, pages below 0x{pages:x}",
            got=f"block {block}, pages 0x{first:x} .. 0x{first + count:x}",
        )


class SimMemory:
    """MEMORY over a view: every page is DATA."""

    def __init__(self, view: View) -> None:
        self._view = view

    @property
    def blocks(self) -> Sequence[RamBlock]:
        """The one block."""
        return (ram_block(self._view.frame_map.pfns),)

    def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
        """Every page, ascending."""
        total = self._view.frame_map.pfns
        for first in range(0, total, pages):
            yield self.read(0, first, min(pages, total - first))

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """``count`` pages from ``first`` on. Raises DomainError outside the block, and for foreign entries."""
        check_range(block, first, count, self._view.frame_map.pfns)
        pages = self._view.pages(first, count).view(np.uint8)
        return PageBatch(block=0, first=first, kinds=np.full(count, PageKind.DATA, np.uint8), pages=pages)

    def store(self, batch: PageBatch) -> None:
        """Refused."""
        raise read_only("the memory")


class SimPageTables:
    """PAGE_TABLES over a view; canonicalises and localises by its frames."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._paging = view.machine.platform.paging

    @property
    def context(self) -> PageTablesContext:
        """Types, frame list, special mappings and suspension."""
        return self._view.page_tables

    def store(self, context: PageTablesContext) -> None:
        """Refused."""
        raise read_only("what is known of page tables")

    def canonicalise(self, batch: PageBatch) -> PageBatch:
        """MFN to PFN in the batch's page tables."""
        return canonicalise_batch(batch, self.context.types, self._view.frame_map, paging=self._paging)

    def localise(self, batch: PageBatch) -> PageBatch:
        """PFN to MFN in the batch's page tables."""
        return localise_batch(batch, self.context.types, self._view.frame_map.p2m, paging=self._paging)


class SimVcpus(StoredVcpus):
    """VCPUS of a domain that is read."""

    def store(self, vcpu: int, context: VcpuContext) -> None:
        """Refused."""
        raise read_only("the processor's context")


class SimGdt(StoredGdt):
    """GDT of a domain that is read."""

    def store(self, vcpu: int, context: GdtContext) -> None:
        """Refused."""
        raise read_only("the GDT")


class SimSharedInfo(StoredSharedInfo):
    """SHARED_INFO of a domain that is read."""

    def store(self, context: SharedInfoContext) -> None:
        """Refused."""
        raise read_only("the shared-info page")


class SimClock(StoredClock):
    """CLOCK of a domain that is read."""

    def store(self, tsc: TscContext) -> None:
        """Refused."""
        raise read_only("the clock")


class SimParts(StoredVcpuParts):
    """What is kept of a vCPU beside its context, of a domain that is read."""

    def store(self, vcpu: int, octets: bytes) -> None:
        """Refused."""
        raise read_only("what is kept of the processor")


class SimForeign(StoredForeign):
    """What the source format had before or behind, of a domain that is read."""

    def store(self, part: ForeignPart) -> None:
        """Refused."""
        raise read_only("what is kept of the source format")
