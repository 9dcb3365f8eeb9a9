"""What the machine has to know of a vCPU's context, whichever Xen's: page-table bases, and where the guest stopped.

``cpu`` is a decoded context throughout. Source: formats/xen.md 1.4, 1.8 (2004), 4.5, 4.6 (today).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import attrs

from domctx.errors import RecordError
from domctx.states import PageType
from domctx.values import frozen
from domctx_cpu import rules as rules_2004
from domctx_cpu.layout import FullExecutionContext
from domctx_cpu.xen_layout import VcpuGuestContext32, VcpuGuestContext64
from domctx_page_tables.rules import check_pfn, check_plain, type_name
from domctx_sim.arrays import PageTypes
from domctx_sim.platforms import FOUR_LEVEL, PAE_TODAY, TWO_LEVEL, Platform
from domctx_sim.rules import check_base, check_gdt_entries, check_ldt
from domctx_x86 import PAGE_MASK, PAGE_SHIFT, gdt_frame_count

USER_TABLE: Final = 1
"""Bit 0 of a canonical CR1 of 64 bits: there is a page table of user mode, for PFN 0 is legal."""
ONLINE: Final = 1 << 5
"""VGCF_online."""


class Processor(Protocol):
    """One ABI's contexts."""

    @property
    def layout(self) -> type[Any]:
        """The layout of a context."""

    @property
    def register(self) -> str:
        """The register that names a frame while the guest is suspended: of the suspend record, today of start_info."""

    def bases(self, cpu: Any, *, canonical: bool = False) -> tuple[int, ...]:
        """The frames of the top-level page tables: the kernel's, and user mode's where there is one.

        Raises DomainError where a base is not the address of a page.
        """

    def with_bases(self, cpu: Any, frames: Sequence[int], *, canonical: bool = False) -> Any:
        """The context with others; as many as ``bases`` gives, or the kernel's alone."""

    def record(self, cpu: Any) -> int:
        """What that register holds."""

    def with_record(self, cpu: Any, value: int) -> Any:
        """The context with another value there."""

    def check(self, cpu: Any, types: PageTypes) -> None:
        """Refuse a canonical context, GDT frames included, that names pages of the wrong types. Raises RecordError."""

    def sanitise(self, cpu: Any) -> Any:
        """The context as a machine may run it. Raises RecordError or DomainError where it may not."""


@frozen
class _Xen2004:
    layout: type[Any] = FullExecutionContext
    register: str = "esi"

    def bases(self, cpu: FullExecutionContext, *, canonical: bool = False) -> tuple[int, ...]:
        check_base(cpu.pt_base)
        return (cpu.pt_base >> PAGE_SHIFT,)

    def with_bases(self, cpu: FullExecutionContext, frames: Sequence[int], *, canonical: bool = False) -> Any:
        return attrs.evolve(cpu, pt_base=frames[0] << PAGE_SHIFT)

    def record(self, cpu: FullExecutionContext) -> int:
        return cpu.cpu_ctxt.esi

    def with_record(self, cpu: FullExecutionContext, value: int) -> Any:
        return attrs.evolve(cpu, cpu_ctxt=attrs.evolve(cpu.cpu_ctxt, esi=value))

    def check(self, cpu: FullExecutionContext, types: PageTypes) -> None:
        rules_2004.check_context(cpu, len(types), types)

    def sanitise(self, cpu: FullExecutionContext) -> Any:
        return rules_2004.sanitise(cpu)


@frozen
class _XenToday:
    platform: Platform
    layout: type[Any]
    register: str

    def record(self, cpu: Any) -> int:
        found: int = getattr(cpu.user_regs, self.register)
        return found

    def with_record(self, cpu: Any, value: int) -> Any:
        return attrs.evolve(cpu, user_regs=attrs.evolve(cpu.user_regs, **{self.register: value}))

    def bases(self, cpu: Any, *, canonical: bool = False) -> tuple[int, ...]:
        kernel, user = cpu.ctrlreg[3], cpu.ctrlreg[1]
        if self.layout is VcpuGuestContext32:
            return (_unfold(kernel),)
        present = user & USER_TABLE if canonical else user
        return (kernel >> PAGE_SHIFT, user >> PAGE_SHIFT) if present else (kernel >> PAGE_SHIFT,)

    def with_bases(self, cpu: Any, frames: Sequence[int], *, canonical: bool = False) -> Any:
        registers = list(cpu.ctrlreg)
        if self.layout is VcpuGuestContext32:
            registers[3] = _fold(frames[0])
        else:
            registers[3] = frames[0] << PAGE_SHIFT
            user = [frame << PAGE_SHIFT | (USER_TABLE if canonical else 0) for frame in frames[1:]]
            registers[1] = user[0] if user else 0
        return attrs.evolve(cpu, ctrlreg=tuple(registers))

    def check(self, cpu: Any, types: PageTypes) -> None:
        check_plain(f"start_info ({self.register})", self.record(cpu), types)
        check_gdt_entries(cpu.gdt_ents, self.platform.gdt_entries)
        for index, frame in enumerate(cpu.gdt_frames[: gdt_frame_count(cpu.gdt_ents)]):
            check_plain(f"gdt_frames[{index}]", frame, types)
        for register, frame in zip((3, 1), self.bases(cpu, canonical=True), strict=False):
            self._check_base(f"ctrlreg[{register}]", frame, types)

    def _check_base(self, what: str, pfn: int, types: PageTypes) -> None:
        check_pfn(what, pfn, len(types))
        wanted = PageType(self.platform.paging.levels)
        if int(types[pfn]) & ~PageType.PINNED != wanted:
            message = f"{what} names PFN 0x{pfn:08x}, which is no top-level page table"
            raise RecordError(message, expected=wanted.name, got=type_name(types[pfn]))

    def sanitise(self, cpu: Any) -> Any:
        check_ldt(cpu.ldt_base, cpu.ldt_ents, self.platform.segment_limit)
        return attrs.evolve(cpu, flags=cpu.flags | ONLINE)


def _fold(frame: int) -> int:
    """CR3 of a 32-bit guest: the high bits of the address stand in the low 12 (formats/xen.md 4.5)."""
    return (frame << PAGE_SHIFT | frame >> 20) & 0xFFFF_FFFF


def _unfold(register: int) -> int:
    return (register >> PAGE_SHIFT | (register & PAGE_MASK) << 20) & 0xFFFF_FFFF


def processor_of(platform: Platform) -> Processor:
    """The processor of a platform's guests."""
    if platform is TWO_LEVEL:
        return _Xen2004()
    if platform is PAE_TODAY:
        return _XenToday(PAE_TODAY, VcpuGuestContext32, "edx")
    return _XenToday(FOUR_LEVEL, VcpuGuestContext64, "rdx")
