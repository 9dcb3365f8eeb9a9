"""The entries of GDTs, found in a domain's memory; and GDTs that are derived from registers and page tables."""

from __future__ import annotations

from collections.abc import Mapping

from domctx.errors import DomainError
from domctx.states import GdtContext
from domctx_x86 import DESCRIPTOR_SIZE, DESCRIPTORS_PER_PAGE, MAX_DESCRIPTORS, PAGE_SHIFT, gdt_frame_count
from domctx_x86.states import PhysicalMemory, VcpuRegisters
from domctx_x86.vcpu import Registers
from domctx_x86.walk import NO_TABLE, Walker, descriptors


class DerivedGdt:
    """GDT of a machine whose vCPUs tell where theirs are; nothing can be stored.

    Frames are those in which entries 0, 512, 1024, ... stand: a table need not begin with its page. Entries that no
    page table maps, or that are no RAM, are not counted.
    """

    def __init__(self, registers: VcpuRegisters, memory: PhysicalMemory) -> None:
        self._registers, self._memory = registers, memory

    @property
    def contexts(self) -> Mapping[int, GdtContext]:
        """GDTs by vCPU id, ascending."""
        return {vcpu: self._context(registers) for vcpu, registers in self._registers.vcpus.items()}

    def store(self, vcpu: int, context: GdtContext) -> None:
        """Raises DomainError."""
        raise DomainError("the GDT is a view on the machine's registers and memory, and takes nothing")

    def _context(self, registers: Registers) -> GdtContext:
        entries = min(len(descriptors(registers, self._memory.read, "gdt")), MAX_DESCRIPTORS)
        base, walker = registers.segments.get("gdt", NO_TABLE).base, Walker(registers, self._memory.read)
        places = (base + DESCRIPTOR_SIZE * DESCRIPTORS_PER_PAGE * index for index in range(gdt_frame_count(entries)))
        return GdtContext(tuple((walker.translate(place) or 0) >> PAGE_SHIFT for place in places), entries)


def entries_of(context: GdtContext, registers: Registers | None, memory: PhysicalMemory) -> list[bytes]:
    """The descriptors of a GDT, 8 octets each; of those in a frame that is no RAM none.

    They begin where the vCPU's GDTR says where that is in the first frame, and at the start of the frame elsewhere.
    """
    if registers is not None and context.frames:
        base = registers.segments.get("gdt", NO_TABLE).base
        if (Walker(registers, memory.read).translate(base) or 0) >> PAGE_SHIFT == context.frames[0]:
            return descriptors(registers, memory.read, "gdt")[: context.entries]
    octets = b"".join(_frame(memory, frame) for frame in context.frames)[: DESCRIPTOR_SIZE * context.entries]
    return [octets[place : place + DESCRIPTOR_SIZE] for place in range(0, len(octets), DESCRIPTOR_SIZE)]


def _frame(memory: PhysicalMemory, frame: int) -> bytes:
    try:
        return memory.read(frame << PAGE_SHIFT, 1 << PAGE_SHIFT)
    except DomainError:  # no RAM of the domain's
        return bytes(1 << PAGE_SHIFT)
