"""A core's notes as the registers of its vCPUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from domctx.api import Domain, Target
from domctx.errors import DomctxError
from domctx.schema import decode, size_of
from domctx_elf.layout import (
    CORE_NAME,
    NT_PRSTATUS,
    OLD_QEMU_CPU,
    PRSTATUS32,
    PRSTATUS64,
    QEMU_GENERAL,
    QEMU_NAME,
    QEMU_SEGMENTS,
    QEMU_TYPE,
    Prstatus32,
    Prstatus64,
    QemuCpu,
)
from domctx_elf.notes import Note, named, parse
from domctx_elf.writer import kept_notes
from domctx_x86.states import Decoded
from domctx_x86.vcpu import NARROW, WIDE, Registers, Segment
from domctx_x86.walk import CR4_PAE, LMA, PG

LME: Final = 1 << 8
SELECTORS: Final = ("cs", "ds", "es", "fs", "gs", "ss")


class CoreRegisters:
    """Registers as the notes QEMU tell them; where there are none, as NT_PRSTATUS does."""

    def __init__(self, notes: Sequence[Note], architecture: str) -> None:
        self._architecture = architecture
        self._cpus = [each.octets for each in named(notes, QEMU_NAME, QEMU_TYPE) if len(each.octets) >= OLD_QEMU_CPU]
        known = {size_of(Prstatus64), size_of(Prstatus32)}
        self._statuses = [each.octets for each in named(notes, CORE_NAME, NT_PRSTATUS) if len(each.octets) in known]

    @property
    def vcpus(self) -> Mapping[int, Registers]:
        """By number, from 0 on."""
        return Decoded(range(len(self._cpus) or len(self._statuses)), self._registers)

    def _registers(self, vcpu: int) -> Registers:
        return self._qemu(self._cpus[vcpu]) if self._cpus else _of_status(self._statuses[vcpu])

    def _qemu(self, octets: bytes) -> Registers:
        size = size_of(QemuCpu)
        cpu = decode(QemuCpu, octets[:size].ljust(size, b"\0"))
        control = {f"cr{number}": cpu.control[number] for number in (0, 2, 3, 4)}
        segments = zip(QEMU_SEGMENTS, cpu.segments, strict=True)
        return Registers(
            architecture=self._architecture,
            general=_general(dict(zip(QEMU_GENERAL, cpu.general, strict=True)), self._architecture),
            segments={name: Segment(each.selector, each.base, each.limit, each.flags) for name, each in segments},
            control=control,
            msrs={"efer": self._efer(control), "kernelgsbase": cpu.kernel_gs_base},
        )

    def _efer(self, control: Mapping[str, int]) -> int:
        """What must be set of EFER, which no note tells: in a 64-bit core who has paging and PAE is in long mode."""
        paging = control["cr0"] & PG and control["cr4"] & CR4_PAE
        return LMA | LME if paging and self._architecture == WIDE else 0


def _of_status(octets: bytes) -> Registers:
    """General registers and selectors; control registers are not told."""
    wide = len(octets) == size_of(Prstatus64)
    told = decode(Prstatus64, octets).registers if wide else decode(Prstatus32, octets).registers
    values = dict(zip(PRSTATUS64 if wide else PRSTATUS32, told, strict=True))
    segments = {
        name: Segment(values[name] & 0xFFFF, values.get(f"{name}_base", 0), 0, (values[name] & 3) << 13)
        for name in SELECTORS
    }
    architecture = WIDE if wide else NARROW
    general = {name: values.get(name, 0) for name in QEMU_GENERAL}
    return Registers(architecture=architecture, general=_general(general, architecture), segments=segments, control={})


def _general(values: Mapping[str, int], architecture: str) -> dict[str, int]:
    """By name; 32-bit vCPUs have half of them."""
    return {name: value for name, value in values.items() if architecture == WIDE or not name[1:].isdigit()}


def provide(domain: Domain | Target) -> CoreRegisters | None:
    """The registers of a core's vCPUs, or of an image of one; None where there are none."""
    notes = list(parse(kept_notes(domain)))
    found = CoreRegisters(notes, domain.machine.architecture) if notes and hasattr(domain, "machine") else None
    return found if found is not None and found.vcpus else None


def vcpus_in(octets: bytes, architecture: str) -> int:
    """How many vCPUs notes tell of; 0 where they cannot be read."""
    try:
        return len(CoreRegisters(list(parse(octets)), architecture).vcpus)
    except DomctxError:  # told when the registers are asked for
        return 0
