"""Tests of domctx_sim.builder: what a new domain has in memory, and in which order its page tables are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomainError, UsageError
from domctx.schema import decode
from domctx_shared_info.layout import SharedInfo2004
from domctx_sim.builder import build, update_list
from domctx_sim.dom0 import Dom0
from domctx_sim.frame_table import FrameFlag
from domctx_sim.kernel_image import KernelImage
from domctx_sim.layout import StartInfo
from domctx_sim.machine import Machine
from domctx_sim.p2m import machine_p2m
from domctx_sim.placement import Placement
from helpers.bare_machines import DOMAIN
from helpers.machines import BASE, built, order


class Guest:
    """A built domain's memory, as its own page tables show it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.cpu = machine.domain.cpu
        self.p2m = machine_p2m(machine, machine.domain)

    def entry(self, address: int) -> int:
        """The L1 entry of a linear address; 0 where there is none."""
        words = self.machine.frames.words
        slot = int(words[self.cpu.pt_base >> 12, address >> 22])
        return int(words[slot >> 12, address >> 12 & 1023]) if slot & 1 else 0

    def read(self, address: int, size: int) -> bytes:
        """Octets at a linear address."""
        start = address & ~4095
        frames = [self.entry(page) >> 12 for page in range(start, address + size, 4096)]
        octets = self.machine.frames.read(np.array(frames)).tobytes()
        return octets[address - start : address - start + size]

    @property
    def start_info(self) -> StartInfo:
        """What ESI points to."""
        return decode(StartInfo, self.read(self.cpu.cpu_ctxt.esi, 292))


@pytest.fixture
def guest(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """A domain of 1030 pages with an initrd of two pages and a command line."""
    changes: dict[str, Any] = {
        "pages": 1030,
        "initrd": b"initrd" * 1000,
        "command_line": "root=/dev/sda1 ro",
        "vifs": 3,
    }
    with Machine(built(tmp_path / "m", **changes, **getattr(request, "param", {}))) as machine:
        yield Guest(machine)


def test_kernel_and_initrd(guest: Guest) -> None:
    """The kernel stands at its load address, the initrd where start_info says, on a page of its own."""
    assert guest.read(BASE, 5120) == order().image.payload
    info = guest.start_info
    assert guest.read(info.mod_start, info.mod_len) == b"initrd" * 1000
    assert info.mod_start % 4096 == 0
    assert info.mod_start > BASE + 500 * 4096


def test_start_info(guest: Guest) -> None:
    """start_info tells the memory, the page tables, the P2M, the command line and where shared_info is."""
    info, domain = guest.start_info, guest.machine.domain
    assert info.nr_pages == 1030
    assert info.shared_info == domain.shared_info_frame << 12
    assert (info.flags, info.domain_controller_evtchn) == (0, 0)
    assert guest.entry(info.pt_base) >> 12 == guest.cpu.pt_base >> 12
    assert info.nr_pt_frames == 3
    assert info.cmd_line == "root=/dev/sda1 ro"
    p2m = np.frombuffer(guest.read(info.mfn_list, 4 * 1030), "<u4")
    assert np.array_equal(p2m, guest.p2m)
    assert domain.vifs == 3


def test_reserved_pages(guest: Guest) -> None:
    """Two P2M pages, the frame list and the suspend record lie directly below start_info."""
    info, reserved = guest.start_info, guest.machine.domain.reserved
    assert info.mfn_list == guest.cpu.cpu_ctxt.esi - 4 * 4096
    assert reserved is not None
    assert BASE + 4096 * (reserved + 1) == guest.cpu.cpu_ctxt.esi


def test_mappings(guest: Guest) -> None:
    """Each page is mapped once at its address, tables read-only; shared_info is mapped behind the last one."""
    entries = [guest.entry(BASE + 4096 * page) for page in range(1030)]
    assert [entry >> 12 for entry in entries] == guest.p2m.tolist()
    assert {entry & 0xFFF for entry in entries[:1027]} == {0x023}
    assert {entry & 0xFFF for entry in entries[1027:]} == {0x021}
    shared = guest.machine.domain.shared_info_frame
    assert guest.entry(BASE + 4096 * 1030) == shared << 12 | 0x023
    directory = guest.machine.frames.words[guest.cpu.pt_base >> 12, :1008]
    assert np.flatnonzero(directory).tolist() == [768, 769]


def test_judged_page_tables(guest: Guest) -> None:
    """The machine knows the tables for what they are: the directory is pinned, the L1 tables are used by it alone."""
    table = guest.machine.table
    assert table.page_types(guest.p2m)[-3:].tolist() == [1, 1, 10]
    assert table.type_count[guest.p2m[-3:]].tolist() == [1, 1, 2]
    assert np.all(table.type_count[guest.p2m[:1027]] == 1)
    assert table.has(guest.p2m[-1:], FrameFlag.PINNED).all()
    assert guest.machine.table.m2p[guest.p2m].tolist() == list(range(1030))


def test_first_context(guest: Guest) -> None:
    """The processor starts at the load address in ring 1, with start_info in ESI and as the top of its stack."""
    registers = guest.cpu.cpu_ctxt
    assert (registers.eip, registers.cs, registers.eflags) == (BASE, 0x0819, 0x202)
    assert {registers.ds, registers.es, registers.fs, registers.gs, registers.ss} == {0x0821}
    assert registers.esi == registers.esp == guest.cpu.guestos_esp == guest.start_info.mfn_list + 4 * 4096
    assert (registers.eax, registers.ebx, registers.ecx, registers.edx, registers.edi, registers.ebp) == (0,) * 6
    assert [trap.vector for trap in guest.cpu.trap_ctxt] == list(range(256))
    assert {trap.cs for trap in guest.cpu.trap_ctxt} == {0x0819}
    assert guest.cpu.gdt_ents == guest.cpu.ldt_ents == 0


def test_first_shared_info(guest: Guest) -> None:
    """shared_info starts with upcalls masked, and the processor's frequency is that of the TSC."""
    page = guest.machine.frames.words[guest.machine.domain.shared_info_frame].tobytes()
    info = decode(SharedInfo2004, page[:716])
    assert info.vcpu_data.evtchn_upcall_mask == 1
    assert guest.machine.domain.tsc is not None
    assert info.cpu_freq == guest.machine.domain.tsc.khz * 1000
    assert not any(page[716:])


@pytest.mark.parametrize("guest", [{"seed": 9}], indirect=True)
def test_the_rest_is_zero(guest: Guest) -> None:
    """Bug 8 of the seed: the update list leaves nothing in the domain's memory."""
    first = (guest.start_info.mod_start - BASE) >> 12
    assert not guest.machine.frames.read(guest.p2m[2:first]).any()
    assert not guest.machine.frames.read(guest.p2m[1024:1026]).any()


def test_bug_1_of_the_seed(tmp_path: Path) -> None:
    """Without an initrd its address and length are zero, and what is not told is zero too."""
    with Machine(built(tmp_path / "m")) as machine:
        info = Guest(machine).start_info
        assert (info.mod_start, info.mod_len, info.cmd_line) == (0, 0, "")


@pytest.mark.parametrize("base", [0xC002_0000, 0xC004_0000, 0xC03F_F000, 0x0, 0xFBFB_F000])
def test_bug_2_of_the_seed(tmp_path: Path, base: int) -> None:
    """A load address that is not 4 MiB aligned leaves no trace in the directory's entries."""
    with Machine(built(tmp_path / "m", image=KernelImage(base, b"kernel"))) as machine:
        guest = Guest(machine)
        directory = machine.frames.words[guest.cpu.pt_base >> 12, :1008]
        assert {int(entry) & 0xFFF for entry in directory[directory != 0]} == {0x067}
        assert guest.read(base, 6) == b"kernel"
        assert guest.entry(base + 64 * 4096) >> 12 == machine.domain.shared_info_frame


@pytest.mark.parametrize(("text", "good"), [("x" * 255, True), ("x" * 256, False), ("ä", False), ("a\0b", False)])
def test_bug_4_of_the_seed(tmp_path: Path, text: str, good: bool) -> None:
    """A command line of 255 characters arrives whole, and what does not fit is refused, never cut."""
    if good:
        with Machine(built(tmp_path / "m", command_line=text)) as machine:
            assert Guest(machine).start_info.cmd_line == text
            assert machine.domain.command_line == text
    else:
        with pytest.raises(UsageError, match="command line cannot be given"):
            built(tmp_path / "m", command_line=text)
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vifs": 9}, "too many network interfaces"),
        ({"name": "x" * 16}, "name cannot be kept"),
        ({"pages": 6}, "too small"),
        ({"initrd": bytes(60 * 4096)}, "do not fit below the P2M"),
    ],
)
def test_failure_leaves_nothing(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """A domain that cannot be built leaves no folder."""
    with pytest.raises(DomainError, match=message):
        built(tmp_path / "m", **changes)
    assert not list(tmp_path.iterdir())


def simulated(base: int, mfns: list[int], shared: int) -> list[tuple[int, int]]:
    """The list of formats/xen.md 6.6, step by step, without the seed's bug 2; the last entry maps shared_info."""
    total = len(mfns)
    tables = (((base >> 12) & 1023) + total + 1024) // 1024 + 1
    directory = mfns[total - 1] << 12
    updates = [(directory | 3, 1)]
    slot, top, entry = directory + 4 * (base >> 22), total - 2, 0
    for count in range(total + 1):
        if entry & 0xFFF == 0:
            table, top = mfns[top] << 12, top - 1
            entry = table + 4 * ((base >> 12) + count & 1023)
            updates.append((slot, table | 0x067))
            slot += 4
        if count == total:
            break
        updates.append((entry, mfns[count] << 12 | (0x023 if count < total - tables else 0x021)))
        updates.append((mfns[count] << 12 | 2, count))
        entry += 4
    assert len(updates) == 1 + 2 * total + tables - 1
    return [*updates, (entry, shared << 12 | 0x023)]


@settings(max_examples=40, deadline=None)
@given(page=st.integers(0, 0xF0000), pages=st.integers(7, 5000))
def test_order_of_updates(page: int, pages: int) -> None:
    """The list is that of formats/xen.md 6.6, update for update, for any load address and size."""
    mfns = np.random.default_rng(pages).permutation(1 << 20)[:pages]
    placement = Placement(page << 12, pages, 1, 0, 0)
    updates = update_list(placement, mfns, 5)
    assert [tuple(row) for row in updates.tolist()] == simulated(page << 12, mfns.tolist(), 5)


def test_build_into_a_machine(tmp_path: Path) -> None:
    """A domain is built into a machine that exists; it is stopped, and can be started."""
    with Machine.create(tmp_path) as machine:
        dom0 = Dom0(machine, seed=4)
        assert build(dom0, order()) == DOMAIN
        assert machine.domain.run_state == "paused"
        dom0.start_domain(DOMAIN)
        assert machine.domain.run_state == "running"
