"""The reader of ELF cores against mutated input."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from domctx.api import Domain
from domctx.states import MEMORY
from domctx_cpu.show_registers import described
from domctx_cpu.xen_registers import XenRegisters, provide as xen_registers
from domctx_elf.domain import open_domain
from domctx_elf.notes import notes_of
from domctx_elf.registers import CoreRegisters, provide
from domctx_x86.vcpu import WIDE, Registers
from helpers import xen_cores as xc
from helpers.elf_cores import composed, context
from helpers.fuzzing import mutations, survives

Provider = Callable[[Domain], XenRegisters | CoreRegisters | None]

LIMIT = 512 << 20
"""Octets of peak memory that the reader may not pass, the interpreter and every library included."""


@pytest.fixture(scope="module")
def seconds(request: pytest.FixtureRequest) -> float:
    """How long each target runs."""
    return float(request.config.getoption("--fuzz-seconds"))


def seeds() -> list[bytes]:
    """Cores of both classes, with vCPUs of both kinds."""
    vcpus = {
        number: Registers(architecture=WIDE, general={"rip": 7}, segments={}, control={"cr0": 1}, msrs={"efer": efer})
        for number, efer in enumerate((1 << 10, 0))
    }
    loads = [(1, 0, place << 13, bytes([place]) * 4096, 8192) for place in range(4)]
    return [
        composed(
            [(4, 0, 0, notes_of({vcpu: vcpus[vcpu] for vcpu in order})), *loads], wide=wide, machine=62 if wide else 3
        )
        for wide in (True, False)
        for order in ((0, 1), (1, 0))
    ]


def xen_seeds() -> list[bytes]:
    """Xen cores of both widths, and of an HVM guest."""
    tables = np.zeros((4, 512), "<u8")
    tables[0, 0], tables[1, 0], tables[2, 0] = (frame << 12 | 7 for frame in (0x20, 0x30, 0x40))
    frames = [(0, 0x10), (1, 0x20), (2, 0x30), (5, 0x40)]
    pv = [xc.sections(frames, tables.tobytes(), xc.vcpu(width, cr3=0x10 << 12, gdt=[0x40])) for width in (8, 4)]
    hvm = xc.sections(frames, tables.tobytes(), xc.vcpu()) | {
        ".note.Xen": xc.notes(xc.HVM),
        ".xen_pfn": bytes(range(32)),
    }
    return [xc.core(sections) for sections in (*pv, hvm)]


def check(provider: Provider, whole: list[bytes], others: list[bytes], seconds: float, path: Path) -> None:
    """What is whole is read, with the registers that ``provider`` finds; mutations of all are read or refused."""

    def target(octets: bytes) -> None:
        path.write_bytes(octets)
        domain = open_domain(str(path), context())
        try:
            memory, told = domain.state(MEMORY), provider(domain)
            assert memory is not None
            for _ in islice(memory.batches(64), 64):
                pass
            for registers in told.vcpus.values() if told is not None else ():
                described(registers)
        finally:
            domain.close()

    for octets in whole:
        assert survives(target, octets)
    for octets in mutations([*whole, *others], seconds):
        survives(target, octets)


def test_xen_cores(seconds: float, tmp_path: Path) -> None:
    """Sections, notes, contexts and page tables of any shape are accepted or refused, in bounded memory."""
    *pv, hvm = xen_seeds()
    check(xen_registers, pv, [hvm], seconds, tmp_path / "core")


def test_cores(seconds: float, tmp_path: Path) -> None:
    """Headers, notes and memory of any shape are accepted or refused, in bounded memory."""
    check(provide, seeds(), [], seconds, tmp_path / "core")
