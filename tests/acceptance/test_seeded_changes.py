"""One change for each record type, register and page kind: ``diff`` exits 1 and names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from domctx.api import StateKey
from domctx.schema import Array, Bytes, Integer, Nested, decode, encode, fields
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
    PageKind,
    SharedInfoContext,
    SpecialMapping,
    Suspension,
    TscContext,
    VcpuContext,
)
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
from domctx_shared_info.layout import SharedInfo2004
from helpers.hvm_states import entry, image
from helpers.whole_machine import BLOCK, MACHINE, changed, diff_says, evolve, image_of, memory_batch, states


@pytest.fixture(scope="module")
def base() -> bytes:
    """The image without a change."""
    return image_of(states())


def leaves(cls: type[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path, marker) of every number and run of octets of a layout; of arrays the first and the last item."""
    for field in fields(cls):
        path = prefix + field.name
        match field.marker:
            case Integer() | Bytes():
                yield path, field.marker
            case Nested():
                yield from leaves(field.marker.layout, f"{path}.")
            case Array():
                element = field.marker.element
                for index in sorted({0, field.marker.count - 1}):
                    if isinstance(element, Nested):
                        yield from leaves(element.layout, f"{path}[{index}].")
                    elif isinstance(element, type):
                        yield from leaves(element, f"{path}[{index}].")
                    else:
                        yield f"{path}[{index}]", element


GDT_OWNS = ("gdt_ents", "gdt_frames")
REGISTERS = [path for path, _ in leaves(FullExecutionContext) if not path.startswith(GDT_OWNS)]
MACHINE_ADDRESS = "execution_context.esi"
"""What only tells from which frames a page was saved (formats/xen.md 1.6): told, and not counted."""
SHARED = [path for path, _ in leaves(SharedInfo2004) if path != MACHINE_ADDRESS]


def flip(value: Any) -> Any:
    """Another value of the same kind."""
    return bytes([value[0] ^ 1]) + value[1:] if isinstance(value, bytes) else value ^ 1


def test_nothing_changed(base: bytes, tmp_path: Path, capsys: Any) -> None:
    """Two saves of one state differ in nothing that counts."""
    code, text = diff_says(tmp_path, base, image_of(states()), capsys)
    assert code == 0
    assert all("not counted" in line for line in text.splitlines())


@pytest.mark.parametrize("path", REGISTERS)
def test_register(path: str, base: bytes, tmp_path: Path, capsys: Any) -> None:
    """A change of one register or field of the vCPU context is named by its path."""
    context = decode(FullExecutionContext, bytes(2516))
    octets = encode(evolve(context, path, flip))
    other = image_of(changed(VCPUS, StoredVcpus({0: VcpuContext("xen-2004-i386", octets)})))
    code, text = diff_says(tmp_path, base, other, capsys)
    assert code == 1
    assert "CPU[0]" in text
    assert path in text


@pytest.mark.parametrize("path", SHARED)
def test_shared_info(path: str, base: bytes, tmp_path: Path, capsys: Any) -> None:
    """A change of one field of the shared-info page is named by its path."""
    page = bytes(4096)
    info = decode(SharedInfo2004, page[:716])
    octets = encode(evolve(info, path, flip)) + page[716:]
    other = image_of(changed(SHARED_INFO, StoredSharedInfo(SharedInfoContext("xen-2004-i386", octets))))
    code, text = diff_says(tmp_path, base, other, capsys)
    assert code == 1
    assert "SHARED_INFO_PAGE[0]" in text
    assert path in text


def test_not_counted(base: bytes, tmp_path: Path, capsys: Any) -> None:
    """The copy of esi in the shared-info page, which no saver makes canonical, is told and not counted."""
    info = evolve(decode(SharedInfo2004, bytes(716)), MACHINE_ADDRESS, flip)
    page = encode(info) + bytes(4096 - 716)
    other = image_of(changed(SHARED_INFO, StoredSharedInfo(SharedInfoContext("xen-2004-i386", page))))
    code, text = diff_says(tmp_path, base, other, capsys)
    assert code == 0
    assert [line for line in text.splitlines() if MACHINE_ADDRESS in line and line.endswith("(not counted)")]


KINDS = [kind for kind in PageKind if kind not in (PageKind.BASE, PageKind.DATA)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_page_kind(kind: PageKind, base: bytes, tmp_path: Path, capsys: Any) -> None:
    """A page of data that becomes one of another kind is named with its block and number."""
    batch = memory_batch()
    kinds = batch.kinds.copy()
    kinds[7] = kind
    fills = np.concatenate([[9], batch.fills]).astype(np.uint8) if kind is PageKind.FILL else batch.fills
    memory = StoredMemory((BLOCK,))
    memory.store(attrs.evolve(batch, kinds=kinds, pages=np.delete(batch.pages, 7, axis=0), fills=fills))
    code, text = diff_says(tmp_path, base, image_of(changed(MEMORY, memory)), capsys)
    assert code == 1
    assert "ram" in text
    assert "0x7" in text or "[7]" in text
    assert kind.name.lower() in text.lower()


def test_page_contents(base: bytes, tmp_path: Path, capsys: Any) -> None:
    """One bit of one page of data is named with its block and page."""
    batch = memory_batch()
    pages = batch.pages.copy()
    pages[17, 1234] ^= 1
    memory = StoredMemory((BLOCK,))
    memory.store(attrs.evolve(batch, pages=pages))
    code, text = diff_says(tmp_path, base, image_of(changed(MEMORY, memory)), capsys)
    assert code == 1
    assert "ram" in text
    assert "0x11" in text or "[17]" in text


def page_tables(**changes: Any) -> StoredPageTables:
    """The page tables with some fields changed."""
    context = states()[PAGE_TABLES].context
    return StoredPageTables(attrs.evolve(context, **changes))


def retyped() -> Any:
    """The page types with one more L1 table."""
    types = states()[PAGE_TABLES].context.types.copy()
    types[89] = 1
    return types


def sections(*changed_sections: DeviceSection) -> StoredDevices:
    """Device sections."""
    found = StoredDevices()
    for section in changed_sections:
        found.store(section)
    return found


def parts(*octets: bytes) -> StoredForeign:
    """Foreign parts."""
    found = StoredForeign()
    for piece in octets:
        found.store(ForeignPart("lgr", "name", piece))
    return found


SUSPENSION = Suspension({"esi": 0x1234}, {82: bytes([7]) * 4096, 83: b""})
TIMER, CPU = DeviceSection("timer", 0, 2, b"\1\2\3\4", None), DeviceSection("cpu", 0, 12, bytes(64), {"fields": []})


def one_at(octets: bytes, place: int | None) -> bytes:
    """Octets with a 1 put in at a place; as they are where there is none."""
    return octets if place is None else octets[:place] + b"\1" + octets[place + 1 :]


def vcpu_part(size: int, place: int) -> StoredVcpuParts:
    """A part of vCPU 0 of zeros, but for a 1 at a place."""
    return StoredVcpuParts({0: one_at(bytes(size), place)})


def hvm_image(cpu: int | None = None, pic: int | None = None, unknown: int | None = None) -> StoredHvmContext:
    """The HVM context of ``states()`` with a 1 at a place of one of its entries."""
    entries = ((2, bytes(1032), 0, cpu), (3, bytes(8), 1, pic), (99, b"unknown", 0, unknown))
    return StoredHvmContext(image(*(entry(code, one_at(body, at), unit) for code, body, unit, at in entries)))


OTHERS: list[tuple[str, StateKey[Any], Any, str, str]] = [
    ("gdt frame", GDT, lambda: StoredGdt({0: GdtContext((5, 7), 1000)}), "GDT[0]", "frames"),
    ("gdt entries", GDT, lambda: StoredGdt({0: GdtContext((5, 6), 1001)}), "GDT[0]", "entries"),
    ("page type", PAGE_TABLES, lambda: page_tables(types=retyped()), "PAGE_TABLES[0]", "types[0x"),
    ("frame list", PAGE_TABLES, lambda: page_tables(frame_list=(81,)), "PAGE_TABLES[0]", "frame_list"),
    (
        "special",
        PAGE_TABLES,
        lambda: page_tables(special=(SpecialMapping(90, 4, 0x63, "shared_info"),)),
        "PAGE_TABLES[0]",
        "special",
    ),
    (
        "suspension register",
        PAGE_TABLES,
        lambda: page_tables(suspension=attrs.evolve(SUSPENSION, registers={"esi": 1})),
        "PAGE_TABLES[0]",
        "esi",
    ),
    (
        "displaced page",
        PAGE_TABLES,
        lambda: page_tables(suspension=attrs.evolve(SUSPENSION, displaced={82: bytes([8]) * 4096, 83: b""})),
        "PAGE_TABLES[0]",
        "displaced",
    ),
    ("cpu extended", CPU_EXTENDED, lambda: vcpu_part(64, 8), "CPU_EXTENDED[0]", "syscall32_callback_eip"),
    ("cpu xsave", CPU_XSAVE, lambda: vcpu_part(592, 16), "CPU_XSAVE[0]", "area.legacy.fcw"),
    ("cpu msrs", CPU_MSRS, lambda: vcpu_part(32, 24), "CPU_MSRS[0]", "[1].value"),
    ("hvm register", HVM_CONTEXT, lambda: hvm_image(cpu=640), "HVM_CONTEXT[0]", "CPU[0].rip"),
    ("hvm pic", HVM_CONTEXT, lambda: hvm_image(pic=5), "HVM_CONTEXT[0]", "PIC[1].readsel_isr"),
    ("hvm unknown entry", HVM_CONTEXT, lambda: hvm_image(unknown=2), "HVM_CONTEXT[0]", "TYPE_99[0].octets"),
    ("hvm parameter", HVM_PARAMS, lambda: StoredHvmParams([(1, 5), (17, 0xFEFFF)]), "HVM_PARAMS[0]", "STORE_PFN"),
    ("tsc mode", CLOCK, lambda: StoredClock(TscContext(1, 2_400_000, 77, 1)), "TSC_INFO[0]", "mode"),
    ("tsc khz", CLOCK, lambda: StoredClock(TscContext(0, 2_400_001, 77, 1)), "TSC_INFO[0]", "khz"),
    ("tsc nsec", CLOCK, lambda: StoredClock(TscContext(0, 2_400_000, 78, 1)), "TSC_INFO[0]", "nsec"),
    ("tsc incarnation", CLOCK, lambda: StoredClock(TscContext(0, 2_400_000, 77, 2)), "TSC_INFO[0]", "incarnation"),
    ("device octets", DEVICES, lambda: sections(attrs.evolve(TIMER, octets=b"\1\2\3\5"), CPU), "DEVICE[0]", "timer"),
    ("device version", DEVICES, lambda: sections(TIMER, attrs.evolve(CPU, version=13)), "DEVICE[1]", "version"),
    ("device gone", DEVICES, lambda: sections(TIMER), "DEVICE[1]", ""),
    ("foreign head", FOREIGN_HEAD, lambda: parts(b"tali"), "FOREIGN_HEAD[0]", ""),
    ("foreign tail", FOREIGN_TAIL, lambda: parts(b"behind!"), "FOREIGN_TAIL[0]", ""),
]


@pytest.mark.parametrize(("key", "make", "record", "path"), [row[1:] for row in OTHERS], ids=[row[0] for row in OTHERS])
def test_other_state(
    key: StateKey[Any], make: Any, record: str, path: str, base: bytes, tmp_path: Path, capsys: Any
) -> None:
    """A change of any other state is named by record and field."""
    code, text = diff_says(tmp_path, base, image_of(changed(key, make())), capsys)
    assert code == 1
    assert record in text
    assert path in text


@pytest.mark.parametrize("key", list(states()), ids=str)
def test_state_gone(key: StateKey[Any], base: bytes, tmp_path: Path, capsys: Any) -> None:
    """A state that only one side has is named by its record type."""
    rest = {other: state for other, state in states().items() if other != key}
    code, text = diff_says(tmp_path, base, image_of(rest), capsys)
    assert code == 1
    assert "present -> absent" in text


@pytest.mark.parametrize("field", ["name", "command_line", "run_state", "vcpus", "hypervisor", "uuid"])
def test_machine(field: str, base: bytes, tmp_path: Path, capsys: Any) -> None:
    """A change of the machine's description is named by its field; with what it was started does not count."""
    value: Any = (0, 1) if field == "vcpus" else "other"
    code, text = diff_says(tmp_path, base, image_of(states(), attrs.evolve(MACHINE, **{field: value})), capsys)
    assert code == (field != "command_line")
    assert f"machine.{field}" in text
