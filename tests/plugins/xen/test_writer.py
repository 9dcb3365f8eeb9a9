"""Domains of Xen as streams: as they were found, and those that were in no stream before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from domctx.api import Domain, Machine, Placement, RamBlock, StateKey
from domctx.context import OpenContext, Operation
from domctx.errors import DomainError
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
    ForeignPart,
    PageTablesContext,
    SharedInfoContext,
    SpecialMapping,
    Suspension,
    VcpuContext,
)
from domctx.testing.domains import StatesDomain
from domctx_clock import StoredClock
from domctx_cpu import StoredVcpus
from domctx_foreign import StoredForeign
from domctx_hvm import HVM_PARAMS, StoredHvmParams
from domctx_memory.stored import StoredMemory
from domctx_page_tables import StoredPageTables
from domctx_qemu import StoredDevices
from domctx_shared_info import StoredSharedInfo
from domctx_xen.writer import write
from helpers import xen_streams as xs
from helpers.xen_streams import Bits, made, record
from helpers.xen_verdicts import FORMAT, domain_of, opened, verdict

STATES = (MEMORY, PAGE_TABLES, VCPUS, GDT, SHARED_INFO, CLOCK)


def written(domain: Domain, notes: list[str] | None = None, **options: str) -> bytes:
    """The stream of a domain."""
    sink = BytesSink()
    operation = Operation(note=None if notes is None else notes.append)
    write(domain, sink, OpenContext(operation, FORMAT.options, options))
    return bytes(sink.octets)


def bare(folder: Path, *parts: Bits, **changes: Any) -> StatesDomain:
    """A domain with the states of a stream, but nothing of the stream itself; ``changes`` are states by name."""
    source = domain_of(folder, *parts)
    states: dict[StateKey[Any], Any] = {key: source.state(key) for key in source.owned_states()}
    for key in (FOREIGN_HEAD, FOREIGN_TAIL):
        del states[key]
    named = {key.name: key for key in (*STATES, HVM_PARAMS, FOREIGN_HEAD, FOREIGN_TAIL, DEVICES)}
    states |= {named[name]: state for name, state in changes.items()}
    kept: Mapping[StateKey[Any], Any] = {key: state for key, state in states.items() if state is not None}
    return StatesDomain(source.machine, kept)


def tables_of(folder: Path, *parts: Bits) -> PageTablesContext:
    """The page tables of a stream."""
    state = domain_of(folder, *parts).state(PAGE_TABLES)
    assert state is not None
    assert state.context is not None
    return state.context


@pytest.mark.parametrize("name", [name for name in xs.KINDS if not name.startswith(("xl", "libxl", "optional"))])
def test_states_alone_make_a_stream(name: str, tmp_path: Path) -> None:
    """In the specification's order, with the same states in it; what else was in the stream is not known."""
    goal = tmp_path / "out.xen"
    version = "4" if "v4" in name else "3"
    goal.write_bytes(written(bare(tmp_path, *xs.KINDS[name]), version=version))
    assert verdict(goal).problem is None
    found = opened(goal)
    again = bare(tmp_path, *xs.KINDS[name])
    assert {key.name for key in again.owned_states()} <= {key.name for key in found.owned_states()}
    names = [element.name if element is not None else "pages" for element in found.walk.epochs.order]
    assert names[-1] == "END"
    if name == "hvm":
        assert names == ["STATIC_DATA_END", "pages", "X86_TSC_INFO", "HVM_PARAMS", "HVM_CONTEXT", "END"]
    if name == "pv64":
        assert names[:4] == ["X86_PV_INFO", "STATIC_DATA_END", "X86_PV_P2M_FRAMES", "pages"]


def test_reserved_octets_come_back(tmp_path: Path) -> None:
    """What a receiver does not look at is written as it was found."""
    odd = record(8, xs.tsc()[1].octets, b"\1\2\3\4")
    stream = [*xs.hvm()[:5], odd, *xs.hvm()[6:]]
    assert written(domain_of(tmp_path, *stream)) == made(*stream).octets


def test_a_record_that_changed_its_length_has_no_reserved_octets(tmp_path: Path) -> None:
    """They belonged to another record."""
    odd = record(10, b"\2\0\0\0\1\0\0\0" + bytes(32))
    source = domain_of(tmp_path, *xs.hvm()[:5], odd, *xs.hvm()[5:7], xs.END)
    states = {key: source.state(key) for key in source.owned_states()} | {HVM_PARAMS: StoredHvmParams([(1, 2)])}
    notes: list[str] = []
    octets = written(StatesDomain(source.machine, states), notes)
    assert made(xs.hvm_params([(1, 2)])).octets in octets
    assert "no longer as long as it was" in " ".join(notes)


def test_states_that_are_gone_leave_their_place(tmp_path: Path) -> None:
    """And states that came have theirs where every receiver takes them."""
    source = domain_of(tmp_path, *xs.pv())
    states = {key: source.state(key) for key in source.owned_states() if key not in (CLOCK, SHARED_INFO)}
    notes: list[str] = []
    goal = tmp_path / "less.xen"
    goal.write_bytes(written(StatesDomain(source.machine, states), notes))
    assert "libxc X86_TSC_INFO is left out: the domain no longer has that state" in notes
    without = [*xs.pv_head(), xs.memory(8), *xs.vcpus(8), xs.END]
    assert goal.read_bytes() == made(*without).octets
    states |= {SHARED_INFO: source.state(SHARED_INFO)}
    again = opened(goal)
    states |= {key: again.state(key) for key in (FOREIGN_HEAD, FOREIGN_TAIL)}
    more = written(StatesDomain(source.machine, states))
    assert more == made(*xs.pv_head(), xs.memory(8), xs.shared_info(), *xs.vcpus(8), xs.END).octets


def test_states_that_stand_in_another_record_are_not_told_as_gone(tmp_path: Path) -> None:
    """Version 4 has TSC and shared info in DOMAIN_CONTEXT, the others in records of their own: both ways."""
    page = xs.shared_info()[1].octets[:3136].ljust(4096, b"\0")
    stream = [*xs.pv_head(), xs.memory(8), xs.tsc(), record(7, page), *xs.vcpus(8), xs.END]
    goal = tmp_path / "four.xen"
    notes: list[str] = []
    goal.write_bytes(written(domain_of(tmp_path, *stream), notes, version="4"))
    assert written(opened(goal), notes, version="3") == made(*stream).octets
    assert notes == []


def test_what_stands_behind_shared_info_is_told(tmp_path: Path) -> None:
    """DOMAIN_CONTEXT holds the structure, not the page."""
    notes: list[str] = []
    written(domain_of(tmp_path, *xs.pv()), notes, version="4")
    assert notes == [
        "what the shared-info page has behind its structure is left behind: DOMAIN_CONTEXT does not hold it"
    ]


def test_parameters_of_several_records(tmp_path: Path) -> None:
    """As they came; one record of all of them where their number changed."""
    two = [xs.hvm_params([(1, 5)]), xs.hvm_params([(17, 6), (19, 7)])]
    stream = [*xs.hvm()[:7], *two, xs.END]
    source = domain_of(tmp_path, *stream)
    assert written(source) == made(*stream).octets
    states = {key: source.state(key) for key in source.owned_states()} | {HVM_PARAMS: StoredHvmParams([(1, 2)])}
    one = [*xs.hvm()[:6], xs.hvm_params([(1, 2)]), xs.hvm()[6], xs.END]
    assert written(StatesDomain(source.machine, states)) == made(*one).octets


def test_a_p2m_of_several_records_goes_out_in_one(tmp_path: Path) -> None:
    """The frames are one list."""
    frames = [xs.p2m_frames(last=511, frames=[3]), xs.p2m_frames(first=512, last=1023, frames=[4])]
    static, behind = xs.pv_head()[:-1], [xs.memory(8), *xs.vcpus(8), xs.END]
    one = xs.p2m_frames(last=1023, frames=[3, 4])
    assert written(domain_of(tmp_path, *static, *frames, *behind)) == made(*static, one, *behind).octets


def test_what_no_stream_holds_is_told(tmp_path: Path) -> None:
    """States, parts of other files, special mappings, and how a domain was suspended."""
    tables = attrs.evolve(
        tables_of(tmp_path, *xs.pv()),
        special=(SpecialMapping(4, 3, 7, "shared_info"),),
        suspension=Suspension({}, {}),
    )
    other = StoredForeign([ForeignPart("lgr", "x", b"")])
    domain = bare(
        tmp_path, *xs.pv(), page_tables=StoredPageTables(tables), foreign_head=other, devices=StoredDevices([])
    )
    notes: list[str] = []
    written(domain, notes, framing="xl")
    assert notes == [
        "xl's header has no configuration: give xl restore one",
        "a Xen stream does not hold the state 'devices': it is left behind",
        "what a lgr file had besides (foreign_head) is left behind",
        "1 mappings of frames that are not the domain's own are left behind",
        "how to undo the suspension is left behind: the guest stays suspended",
    ]


def test_layers_that_are_left_behind_are_told(tmp_path: Path) -> None:
    """The configuration, and what libxl keeps of an emulator."""
    notes: list[str] = []
    octets = written(domain_of(tmp_path, *xs.KINDS["xl-hvm"]), notes, framing="libxc")
    assert octets == made(*xs.hvm()).octets
    assert notes[0] == "xl's header, and the configuration in it, is left behind"
    assert "libxl's EMULATOR_CONTEXT is left behind: a libxc stream has no place for it" in notes


def test_policies_that_are_left_behind_are_told(tmp_path: Path) -> None:
    """A stream of version 2 has no place for them."""
    notes: list[str] = []
    assert written(domain_of(tmp_path, *xs.hvm()), notes, version="2") == made(*xs.hvm(2)).octets
    assert notes == ["a stream of version 2 has no CPUID and MSR policies: they are left behind"]


def test_vcpus_without_contexts_make_no_record(tmp_path: Path) -> None:
    """Their parts alone do."""
    states = bare(tmp_path, *xs.pv())
    kept = {key: states.state(key) for key in states.owned_states() if key is not VCPUS}
    octets = written(StatesDomain(states.machine, kept))
    assert made(xs.vcpu(5, 0, bytes(range(64)))).octets in octets
    assert xs.context64() not in octets


def refused(domain: Domain) -> str:
    """Why a domain is not written."""
    with pytest.raises(DomainError) as caught:
        written(domain)
    return str(caught.value)


def test_domains_that_are_not_xens_are_refused(tmp_path: Path) -> None:
    """By name, with what to do."""
    assert "neither page tables nor an HVM context" in refused(StatesDomain(Machine("x", "x86_64"), {}))
    block = RamBlock("ram", 4096, placements=(Placement(0, 0, 4096),))
    blocks = StoredMemory([block, attrs.evolve(block, name="more")])
    assert "one RAM block" in refused(bare(tmp_path, *xs.hvm(), memory=blocks))
    assert "one RAM block" in refused(bare(tmp_path, *xs.hvm(), memory=StoredMemory([attrs.evolve(block, size=5000)])))
    assert "page types are not those of the memory" in refused(bare(tmp_path, *xs.pv(), memory=StoredMemory([block])))


def test_guests_that_no_stream_holds_are_refused(tmp_path: Path) -> None:
    """Page tables of 2004, a P2M that is not known, contexts and pages of another kind of guest."""
    tables = tables_of(tmp_path, *xs.pv())
    old = StoredPageTables(attrs.evolve(tables, width=4, levels=2))
    assert "PAE or four-level" in refused(bare(tmp_path, *xs.pv(), page_tables=old))
    unknown = StoredPageTables(attrs.evolve(tables, frame_list=()))
    assert "P2M is not known; expected 1 frames, got 0" in refused(bare(tmp_path, *xs.pv(), page_tables=unknown))
    others = StoredVcpus({0: VcpuContext("xen-x86_32", bytes(2800))})
    assert "expected xen-x86_64, got xen-x86_32" in refused(bare(tmp_path, *xs.pv(), vcpus=others))
    shared = StoredSharedInfo(SharedInfoContext("xen-2004-i386", bytes(4096)))
    assert "got xen-2004-i386" in refused(bare(tmp_path, *xs.pv(), shared_info=shared))
    assert "got xen" not in written(bare(tmp_path, *xs.pv(), shared_info=StoredSharedInfo())).decode("latin-1")


def test_states_that_hold_nothing_make_no_record(tmp_path: Path) -> None:
    """Empty states are as none."""
    domain = bare(tmp_path, *xs.hvm(), clock=StoredClock(), hvm_params=StoredHvmParams())
    goal = tmp_path / "less.xen"
    goal.write_bytes(written(domain))
    names = [element.name for element in opened(goal).walk.epochs.order if element is not None]
    assert names == ["STATIC_DATA_END", "HVM_CONTEXT", "END"]


def test_a_stream_without_pages_keeps_its_order(tmp_path: Path) -> None:
    """Memory that came since stands before what follows it."""
    stream = [xs.headers(2), xs.STATIC_END, xs.tsc(), record(9, xs.hvm_context()), xs.END]
    source = domain_of(tmp_path, *stream)
    assert written(source) == made(*stream).octets
    memory = domain_of(tmp_path, *xs.hvm()).state(MEMORY)
    (tmp_path / "stream.xen").rename(tmp_path / "kept")
    states = {key: source.state(key) for key in source.owned_states()} | {MEMORY: memory}
    found = written(StatesDomain(source.machine, states))
    assert found == made(*stream[:2], xs.hvm_pages(), *stream[2:]).octets
