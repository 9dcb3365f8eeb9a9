"""A small domain with every state that the bundled record types save; and copies of it with one change."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from domctx.api import Machine, Placement, RamBlock, StateKey
from domctx.cli.run import run
from domctx.context import Operation
from domctx.discovery import entry_points
from domctx.manager import Manager
from domctx.references import IMAGE_FORMAT
from domctx.registry import Registry
from domctx.save import save
from domctx.schema import size_of
from domctx.sinks import BytesSink
from domctx.states import (
    CLOCK,
    DEVICES,
    FOREIGN_HEAD,
    FOREIGN_TAIL,
    GDT,
    MEMORY,
    PAGE_TABLES,
    SHARED_INFO,
    VCPUS,
    DeviceSection,
    ForeignPart,
    GdtContext,
    PageBatch,
    PageKind,
    PageTablesContext,
    SharedInfoContext,
    SpecialMapping,
    Suspension,
    TscContext,
    VcpuContext,
)
from domctx.testing.domains import StatesDomain
from domctx_clock import StoredClock
from domctx_cpu import CPU_EXTENDED, CPU_MSRS, CPU_XSAVE, StoredVcpuParts, StoredVcpus
from domctx_cpu.layout import FullExecutionContext
from domctx_foreign import StoredForeign
from domctx_gdt import StoredGdt
from domctx_hvm import HVM_CONTEXT, HVM_PARAMS, StoredHvmContext, StoredHvmParams
from domctx_memory import StoredMemory
from domctx_page_tables import StoredPageTables
from domctx_qemu import StoredDevices
from domctx_shared_info import StoredSharedInfo
from helpers.hvm_states import entry, image

PAGES = 96
BLOCK = RamBlock("ram", PAGES << 12, placements=(Placement(0, 0, PAGES << 12),))
MACHINE = Machine(
    "whole",
    "i386",
    hypervisor="xen-2004",
    blocks=(BLOCK,),
    vcpus=(0,),
    pv_width=4,
    pv_levels=2,
    command_line="root=/dev/xvda1",
)
VCPU_OCTETS = bytes(size_of(FullExecutionContext))


def registry() -> Registry:
    """The bundled state plugins, resolved; no file format, no machine."""
    found = [point for point in entry_points(sys.path) if point.distribution == "domctx"]
    found = [point for point in found if point.entry not in ("lgr", "sim")]
    resolved = Registry.resolve(Manager.load(found), [IMAGE_FORMAT])
    assert not resolved.manager.broken()
    return resolved


def memory_batch() -> PageBatch:
    """Pages of every kind that a record may hold: DATA first, then ZERO, FILL, and those without contents."""
    kinds = np.full(PAGES, PageKind.DATA, np.uint8)
    kinds[40:60] = PageKind.ZERO
    kinds[60:64] = PageKind.FILL
    kinds[64:68] = PageKind.ABSENT
    kinds[68:72] = PageKind.POPULATE
    kinds[72:74] = PageKind.BROKEN
    kinds[74:76] = PageKind.INVALID
    generator = np.random.default_rng(7)
    pages = generator.integers(0, 256, (int((kinds == PageKind.DATA).sum()), 4096), np.uint8)
    return PageBatch(0, 0, kinds, pages, fills=np.array([1, 2, 3, 255], np.uint8))


def states() -> dict[StateKey[Any], Any]:
    """Every state, new at each call."""
    memory = StoredMemory((BLOCK,))
    memory.store(memory_batch())
    types = np.zeros(PAGES, np.uint8)
    types[90:94], types[95] = 1, 2
    found: dict[StateKey[Any], Any] = {
        MEMORY: memory,
        VCPUS: StoredVcpus({0: VcpuContext("xen-2004-i386", VCPU_OCTETS)}),
        CPU_EXTENDED: StoredVcpuParts({0: bytes(64)}),
        CPU_XSAVE: StoredVcpuParts({0: bytes(16 + 576)}),
        CPU_MSRS: StoredVcpuParts({0: bytes(32)}),
        GDT: StoredGdt({0: GdtContext((5, 6), 1000)}),
        HVM_CONTEXT: StoredHvmContext(image(entry(2, bytes(1032)), entry(3, bytes(8), 1), entry(99, b"unknown"))),
        HVM_PARAMS: StoredHvmParams([(1, 0xFEFFC), (17, 0xFEFFF)]),
        SHARED_INFO: StoredSharedInfo(SharedInfoContext("xen-2004-i386", bytes(4096))),
        PAGE_TABLES: StoredPageTables(
            PageTablesContext(
                4,
                2,
                types,
                (80,),
                (SpecialMapping(90, 3, 0x63, "shared_info"),),
                Suspension({"esi": 0x1234}, {82: bytes([7]) * 4096, 83: b""}),
            )
        ),
        CLOCK: StoredClock(TscContext(0, 2_400_000, 77, 1)),
        DEVICES: StoredDevices(),
        FOREIGN_HEAD: StoredForeign(),
        FOREIGN_TAIL: StoredForeign(),
    }
    found[DEVICES].store(DeviceSection("timer", 0, 2, b"\1\2\3\4", None))
    found[DEVICES].store(DeviceSection("cpu", 0, 12, bytes(64), {"fields": []}))
    found[FOREIGN_HEAD].store(ForeignPart("lgr", "name", b"tail"))
    found[FOREIGN_TAIL].store(ForeignPart("lgr", "trailer", b"behind"))
    return found


def image_of(found: dict[StateKey[Any], Any], machine: Machine = MACHINE, *options: str) -> bytes:
    """The image of a domain that holds these states."""
    sink = BytesSink()
    with Operation(options) as operation:
        save(StatesDomain(machine, found), sink, registry(), operation)
    return bytes(sink.octets)


def changed(key: StateKey[Any], value: Any) -> dict[StateKey[Any], Any]:
    """Every state, one of them another."""
    return {**states(), key: value}


def diff_says(folder: Path, a: bytes, b: bytes, capsys: Any) -> tuple[int, str]:
    """What ``domctx diff`` of two images exits with, and prints."""
    (folder / "a.dctx").write_bytes(a)
    (folder / "b.dctx").write_bytes(b)
    capsys.readouterr()
    code = run(["diff", str(folder / "a.dctx"), str(folder / "b.dctx")])
    return code, capsys.readouterr().out


def evolve(value: Any, path: str, change: Any) -> Any:
    """``value``, an attrs object, with the field at a dotted path (``traps[3].cs``) replaced by ``change(old)``."""
    head, _, rest = path.partition(".")
    name, bracket, index = head.partition("[")
    old = getattr(value, name)
    if not bracket:
        return attrs.evolve(value, **{name: evolve(old, rest, change) if rest else change(old)})
    number = int(index[:-1])
    item = evolve(old[number], rest, change) if rest else change(old[number])
    return attrs.evolve(value, **{name: (*old[:number], item, *old[number + 1 :])})
