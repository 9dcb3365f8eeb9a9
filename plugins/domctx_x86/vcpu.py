"""An x86 vCPU's registers: the one view of them, whatever format or machine they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from domctx.values import frozen

WIDE, NARROW = "x86_64", "i386"
"""``Registers.architecture`` of a vCPU with registers of 64 bits, and of one with registers of 32."""


ATTRIBUTES: Final = 0x00FF_FF00
"""The bits of a segment's flags that are no part of its base: those that ``info registers`` of QEMU prints."""


@frozen
class Segment:
    """A segment register, or GDT and IDT, of which base and limit count.

    ``flags`` are as in a descriptor's second word, as the source has them: of the bits that are part of the base a
    source may tell anything.
    """

    selector: int
    base: int
    limit: int
    flags: int


@frozen(kw_only=True)
class Registers:
    """A vCPU's registers. What a source does not tell is left out, or empty.

    ``general`` holds rip and rflags too, of 32-bit vCPUs 32 bits wide. ``segments`` are es, cs, ss, ds, fs, gs, ldt,
    tr, gdt and idt; ``control`` cr0, cr2, cr3 and cr4, addresses guest-physical (of a paravirtualised guest its PFN
    times the page size, wherever the source folds it); ``debug`` DR0 to DR7; ``msrs`` by QEMU's names, of which
    ``efer`` tells long mode. ``fpu`` are (mantissa, sign and exponent) of the eight registers in their physical order;
    ``xmm`` of 128 bits, ``ymm`` their upper halves; ``state`` whatever else the source holds, by its own names;
    ``apic`` the fields of the local APIC. ``halted`` is None where nothing tells.
    """

    architecture: str
    general: Mapping[str, int]
    segments: Mapping[str, Segment]
    control: Mapping[str, int]
    debug: tuple[int, ...] = ()
    msrs: Mapping[str, int] = attrs.field(factory=dict)
    fpu: tuple[tuple[int, int], ...] = ()
    fpu_control: Mapping[str, int] = attrs.field(factory=dict)
    xmm: tuple[int, ...] = ()
    ymm: tuple[int, ...] = ()
    state: Mapping[str, int | tuple[int, ...]] = attrs.field(factory=dict)
    halted: bool | None = None
    apic: Mapping[str, int | tuple[int, ...]] | None = None

    @property
    def cpl(self) -> int:
        """The current privilege level: DPL of SS."""
        return self.segments["ss"].flags >> 13 & 3
