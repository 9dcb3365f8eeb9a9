"""The states that records hold, and records that no receiver takes."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from domctx.errors import DomctxError, RecordError, UnsupportedError
from domctx.states import CLOCK, GDT, MEMORY, PAGE_TABLES, SHARED_INFO, VCPUS, GdtContext, PageKind, TscContext
from domctx_cpu import CPU_EXTENDED, CPU_MSRS, CPU_XSAVE
from domctx_hvm import HVM_CONTEXT, HVM_PARAMS
from helpers import xen_streams as xs
from helpers.xen_streams import Bits, record, vcpu
from helpers.xen_verdicts import domain_of


@pytest.mark.parametrize(("width", "levels", "abi"), [(8, 4, "xen-x86_64"), (4, 3, "xen-x86_32")])
@pytest.mark.parametrize("version", [2, 3, 4])
def test_a_paravirtualised_guest(width: int, levels: int, abi: str, version: int, tmp_path: Path) -> None:
    """Page tables, vCPUs with their GDTs apart, shared info and clock, whatever the version of the stream."""
    domain = domain_of(tmp_path, *xs.pv(width, version, count=2))
    tables, vcpus, gdt = domain.state(PAGE_TABLES), domain.state(VCPUS), domain.state(GDT)
    assert tables is not None
    assert tables.context is not None
    assert (tables.context.width, tables.context.levels, tables.context.frame_list) == (8, levels, (xs.P2M,))
    known = {pfn: kind for pfn, (kind, _) in xs.tables(width).items()}
    assert {pfn: int(kind) for pfn, kind in enumerate(tables.context.types) if kind} == known
    assert vcpus is not None
    assert {context.abi for context in vcpus.contexts.values()} == {abi}
    assert gdt is not None
    assert gdt.contexts == {0: GdtContext((xs.GDT,), 512), 1: GdtContext((xs.GDT,), 512)}
    assert domain.machine.vcpus == (0, 1)
    assert (domain.machine.pv_width, domain.machine.pv_levels) == (width, levels)
    assert domain.machine.architecture == ("x86_64" if width == 8 else "i386")
    clock, shared = domain.state(CLOCK), domain.state(SHARED_INFO)
    assert clock is not None
    assert clock.tsc == TscContext(1, 2_500_000, 123_456_789_012, 1)
    assert shared is not None
    assert shared.context is not None
    assert shared.context.abi == abi
    assert shared.context.page[:2048] == xs.page(99)[:2048]


def test_parts_of_vcpus(tmp_path: Path) -> None:
    """Extended contexts, XSAVE areas and MSRs, each without the head of its record."""
    domain = domain_of(tmp_path, *xs.pv())
    found = {key.name: domain.state(key) for key in (CPU_EXTENDED, CPU_XSAVE, CPU_MSRS)}
    lengths = {name: len(state.parts[0]) for name, state in found.items() if state is not None}
    assert lengths == {"cpu_extended": 64, "cpu_xsave": 592, "cpu_msrs": 16}


def test_kinds_of_pages(tmp_path: Path) -> None:
    """XTAB, XALLOC and BROKEN are kinds, never types; a page that is not told is absent."""
    memory = domain_of(tmp_path, *xs.pv_head(), xs.memory(8), *xs.vcpus(8), xs.END).state(MEMORY)
    assert memory is not None
    assert memory.read(0, 12, 4).kinds.tolist() == [0, PageKind.INVALID, PageKind.POPULATE, PageKind.BROKEN]
    few = domain_of(tmp_path, *xs.pv_head(), xs.page_data((xs.entry(2), xs.page(2))), *xs.vcpus(8), xs.END)
    memory = few.state(MEMORY)
    assert memory is not None
    assert memory.read(0, 0, 3).kinds.tolist() == [PageKind.ABSENT, PageKind.ABSENT, PageKind.DATA]


def test_an_hvm_guest(tmp_path: Path) -> None:
    """Its context as it stands, its parameters, its vCPUs; types that come with its pages stay with them."""
    typed = xs.page_data((xs.entry(7, 1), xs.page(7)))
    domain = domain_of(tmp_path, *xs.hvm()[:5], typed, *xs.hvm()[5:])
    context, params, memory = domain.state(HVM_CONTEXT), domain.state(HVM_PARAMS), domain.state(MEMORY)
    assert context is not None
    assert context.octets == xs.hvm_context()
    assert params is not None
    assert params.params == ((1, 0xFEFFC), (17, 0xFEFFF))
    assert domain.machine.vcpus == (0,)
    assert memory is not None
    types = memory.read(0, 0, 8).types
    assert types is not None
    assert types.tolist() == [0] * 7 + [1]
    assert domain.state(PAGE_TABLES) is None


def test_parameters_of_many_records_are_as_few_as_those_of_one(tmp_path: Path) -> None:
    """Records of parameters come as often as they like, as long as one record can hold what they tell."""
    *start, _, end = xs.hvm()
    params = [xs.hvm_params([(number, number)]) for number in range(1025)]
    found = domain_of(tmp_path, *start, *params[:-1], end).state(HVM_PARAMS)
    assert found is not None
    assert len(found.params or ()) == 1024
    with pytest.raises(RecordError, match="too many HVM parameters"):
        domain_of(tmp_path, *start, *params, end).state(HVM_PARAMS)


def test_records_that_tell_nothing_are_kept_as_they_stand(tmp_path: Path) -> None:
    """Old senders wrote records of vCPUs and parameters without content: no state comes of them."""
    hollow = [record(kind, bytes(8)) for kind in (4, 5, 6, 12)]
    domain = domain_of(tmp_path, *xs.pv()[:-1], *hollow, xs.END)
    assert domain.walk.problem is None
    assert domain.state(VCPUS) is not None
    empty = domain_of(tmp_path, *xs.hvm()[:-2], record(10, bytes(8)), xs.END)
    assert empty.state(HVM_PARAMS) is None


def pv_with(*records: Bits) -> list[Bits]:
    """A stream with other records in place of its vCPUs'."""
    return [*xs.pv_head(), xs.memory(8), *records, xs.END]


def hvm_with(*records: Bits) -> list[Bits]:
    """A stream with other records behind its pages."""
    return [*xs.hvm()[:5], *records, xs.END]


REFUSED: dict[str, tuple[list[Bits], type[DomctxError], str]] = {
    "context of 32 bits": (pv_with(vcpu(4, 0, xs.context32())), RecordError, "one length"),
    "GDT": (pv_with(vcpu(4, 0, xs.context64()[:4960] + b"\xff" * 208)), RecordError, "too many entries"),
    "vCPU": (pv_with(vcpu(4, 0, xs.context64()), vcpu(4, 8192, xs.context64())), RecordError, "no domain has such"),
    "part of a vCPU": (pv_with(vcpu(5, 0xFFFF_FFFF, bytes(64))), RecordError, "expected below 8192, got 4294967295"),
    "extended": (pv_with(vcpu(5, 0, bytes(129))), RecordError, "0x00000009 to 0x00000088"),
    "XSAVE": (pv_with(vcpu(6, 0, bytes(8))), RecordError, "wrong length"),
    "MSRs": (pv_with(vcpu(12, 0, bytes(24))), RecordError, "multiple of 16"),
    "shared info": (pv_with(record(7, bytes(100))), RecordError, "expected 0x00001000, got 0x00000064"),
    "TSC": (pv_with(record(8, bytes(20))), RecordError, "expected 0x00000018"),
    "twice": (pv_with(xs.domain_context(), xs.tsc()), RecordError, "a second record holds the state 'clock'"),
    "HVM context": (hvm_with(record(9, bytes(16))), RecordError, "does not begin with HEADER"),
    "HVM parameters": (hvm_with(record(10, struct.pack("<II", 3, 0) + bytes(16))), RecordError, "not as many"),
    "v10": (pv_with(xs.domain_context(minor=99)), UnsupportedError, "4.99"),
    "P2M": (
        [xs.headers(1), xs.pv_info(), xs.STATIC_END, xs.p2m_frames(frames=[99]), xs.memory(8), xs.END],
        RecordError,
        "frame_list",
    ),
    "part of the P2M": (
        [xs.headers(1), xs.pv_info(), xs.STATIC_END, xs.p2m_frames(last=600, first=512), xs.memory(8), xs.END],
        RecordError,
        "no X86_PV_P2M_FRAMES tells of group 0",
    ),
    "no info": ([xs.headers(1), *xs.vcpus(8), xs.END], RecordError, "has no X86_PV_INFO"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_records_are_refused(name: str, tmp_path: Path) -> None:
    """With file, record and an offset."""
    stream, kind, message = REFUSED[name]
    domain = domain_of(tmp_path, *stream)
    assert domain.walk.problem is None
    with pytest.raises(kind, match=message) as caught:
        domain.owned_states()
    assert caught.value.file == str(tmp_path / "stream.xen")
    assert caught.value.offset is not None or name == "P2M" or name == "part of the P2M"
