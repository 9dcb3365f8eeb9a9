"""Tests of domctx_sim.target: a machine made from a saved state, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from domctx.api import Machine as Description, RamBlock, StateKey
from domctx.errors import DomainError, UsageError
from domctx.states import (
    DEVICES,
    GDT,
    MEMORY,
    PAGE_TABLES,
    SHARED_INFO,
    VCPUS,
    GdtContext,
    PageBatch,
    PageTablesContext,
    SharedInfoContext,
    VcpuContext,
)
from domctx_sim.machine import Machine
from domctx_sim.p2m import machine_p2m
from domctx_sim.target import SimTarget, check_description
from helpers.machines import Saved, built, changed, require, told_of


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """The states of a small domain."""
    return Saved.of(built(tmp_path / "m"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hypervisor": "qemu"}, "cannot have this hypervisor; expected xen-2004, got qemu"),
        ({"architecture": "x86_64"}, "cannot have this architecture"),
        ({"byte_order": "big"}, "cannot have this byte_order"),
        ({"page_shift": 14}, "cannot have this page_shift"),
        ({"pv_width": None}, "cannot have this pv_width"),
        ({"pv_levels": 3}, "cannot have this pv_levels"),
        ({"hypervisor": "xen"}, "a machine of 2004 cannot have this hypervisor"),
        ({"hypervisor": "xen", "pv_levels": 4}, "machine of today cannot have this architecture; expected x86_64"),
        ({"run_state": "dreaming"}, "the run state is not known; .* got 'dreaming'"),
        ({"vcpus": (0, 1)}, "cannot have this vcpus"),
        ({"blocks": ()}, "has one block of memory; expected ram, got none"),
        ({"blocks": (RamBlock("ram", 4096), RamBlock("rom", 4096))}, "has one block of memory; .* got ram, rom"),
        ({"blocks": (RamBlock("pc.ram", 4096),)}, "has one block of memory"),
        ({"blocks": (RamBlock("ram", 1 << 20, 14),)}, "has one block of memory"),
        ({"blocks": (RamBlock("ram", 0),)}, "has a size that no domain has"),
        ({"blocks": (RamBlock("ram", 4097),)}, "has a size that no domain has"),
        ({"blocks": (RamBlock("ram", (1 << 32) + 4096),)}, "has a size that no domain has"),
        ({"blocks": (RamBlock("ram", 1 << 32),)}, "too few free frames; expected 0x100000"),
        ({"name": "x" * 16}, "name cannot be kept"),
    ],
)
def test_machines_that_it_cannot_be(saved: Saved, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """What a machine of 2004 cannot be is refused before anything is loaded, and named."""
    target = SimTarget(str(tmp_path / "copy"))
    with pytest.raises(DomainError, match=message):
        target.prepare(attrs.evolve(saved.description, **changes))
    target.abort()
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (MEMORY, "page 0x0 is missing from the saved memory"),
        (VCPUS, "has one processor, vCPU 0; got contexts of"),
        (PAGE_TABLES, "page types and the frame list are missing"),
        (SHARED_INFO, "shared-info page is missing"),
    ],
)
def test_states_that_did_not_come(saved: Saved, tmp_path: Path, key: StateKey[Any], message: str) -> None:
    """A state that is needed and did not come is named."""
    with pytest.raises(DomainError, match=message):
        saved.load(tmp_path / "copy", leave_out=[key])
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_states_that_may_be_missing(saved: Saved, tmp_path: Path) -> None:
    """Without a GDT the processor has Xen's own; without a clock the machine keeps none."""
    saved.tsc = None
    telling = told_of(saved.load(tmp_path / "copy", leave_out=[GDT]))
    assert (telling["gdt"], telling["clock"]) == ({0: GdtContext((), 0)}, None)


def test_a_page_that_did_not_come(saved: Saved, tmp_path: Path) -> None:
    """One missing page is named."""
    target = SimTarget(str(tmp_path / "copy"))
    target.prepare(saved.description)
    saved.hand_over(target, leave_out=[MEMORY])
    for first in (0, 33):
        kinds = np.ones(32 if first == 0 else 31, np.uint8)
        require(target, MEMORY).store(PageBatch(0, first, kinds, np.empty((0, 4096), np.uint8)))
    with pytest.raises(DomainError, match="page 0x20 is missing"):
        target.commit()
    target.abort()


@pytest.mark.parametrize(
    ("key", "store", "message"),
    [
        (VCPUS, (1, VcpuContext("xen-2004-i386", bytes(2516))), "has one processor, vCPU 0; got contexts of .0, 1."),
        (VCPUS, (0, VcpuContext("xen-hvm", b"")), "of another ABI; expected xen-2004-i386, got xen-hvm"),
        (GDT, (5, GdtContext((), 0)), "GDT of a processor that the machine has not"),
        (SHARED_INFO, (SharedInfoContext("xen-x86_64", bytes(4096)),), "page is of another ABI"),
        (SHARED_INFO, (SharedInfoContext("xen-2004-i386", bytes(4095)),), "page is of another ABI"),
        (PAGE_TABLES, (PageTablesContext(8, 4, np.zeros(64, np.uint8)),), "page tables of another shape"),
        (PAGE_TABLES, (PageTablesContext(4, 2, np.zeros(63, np.uint8)),), "another shape .* got \\(4, 2, 63\\)"),
    ],
)
def test_states_that_cannot_be(
    saved: Saved, tmp_path: Path, key: StateKey[Any], store: tuple[Any, ...], message: str
) -> None:
    """A state of another shape than this machine's is refused."""
    target = SimTarget(str(tmp_path / "copy"))
    target.prepare(saved.description)
    saved.hand_over(target)
    require(target, key).store(*store)
    with pytest.raises(DomainError, match=message):
        target.commit()
    target.abort()
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_order_does_not_matter(saved: Saved, tmp_path: Path) -> None:
    """Memory may come before what is known of its page tables."""
    target = SimTarget(str(tmp_path / "copy"), seed=3)
    target.prepare(saved.description)
    saved.hand_over(target, leave_out=[PAGE_TABLES])
    saved.hand_over(target, leave_out=[MEMORY])
    target.commit()
    assert told_of(tmp_path / "copy") == told_of(tmp_path / "m")


def test_types_that_come_with_pages(saved: Saved, tmp_path: Path) -> None:
    """Page types that come with the pages count for those pages."""
    types, bare = saved.tables.types.copy(), np.zeros(64, np.uint8)
    saved.tables = attrs.evolve(saved.tables, types=bare)
    target = SimTarget(str(tmp_path / "copy"), seed=3)
    target.prepare(saved.description)
    saved.hand_over(target, leave_out=[MEMORY])
    pages = saved.pages.view(np.uint8)
    require(target, MEMORY).store(PageBatch(0, 0, np.zeros(64, np.uint8), pages, types=types))
    target.commit()
    assert told_of(tmp_path / "copy") == told_of(tmp_path / "m")


def test_nothing_is_seen_before_commit(saved: Saved, tmp_path: Path) -> None:
    """The machine is made in a working folder, appears by ``commit``, and can be opened then."""
    target = SimTarget(str(tmp_path / "copy"))
    target.prepare(saved.description)
    (Path(target.location) / "theirs").write_bytes(b"a third party's state")
    saved.hand_over(target)
    assert not (tmp_path / "copy").exists()
    target.commit()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "m"]
    assert (tmp_path / "copy" / "theirs").read_bytes() == b"a third party's state"
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_exists(saved: Saved, tmp_path: Path) -> None:
    """A machine that exists is replaced with ``force`` alone."""
    built(tmp_path / "copy", pages=100)
    with pytest.raises(UsageError, match="exists already"):
        SimTarget(str(tmp_path / "copy"))
    target = SimTarget(str(tmp_path / "copy"), force=True)
    target.prepare(saved.description)
    saved.hand_over(target)
    assert told_of(tmp_path / "copy")["machine"].blocks[0].pages == 100
    target.commit()
    assert told_of(tmp_path / "copy") == told_of(tmp_path / "m")


def test_abort_at_once(tmp_path: Path) -> None:
    """A target that nothing came to leaves nothing, and has no states."""
    target = SimTarget(str(tmp_path / "copy"))
    assert target.state(MEMORY) is None
    target.abort()
    assert not list(tmp_path.iterdir())


def test_states_of_others(saved: Saved, tmp_path: Path) -> None:
    """It has no devices."""
    target = SimTarget(str(tmp_path / "copy"))
    target.prepare(saved.description)
    assert target.state(DEVICES) is None
    target.abort()


def test_plain_images(tmp_path: Path) -> None:
    """An image without a machine's description makes no machine."""
    target = SimTarget(str(tmp_path / "copy"))
    with pytest.raises(UsageError, match="plain v10 image has no memory"):
        target.commit()
    target.abort()


def test_seeds(saved: Saved, tmp_path: Path) -> None:
    """One seed gives one machine; another seed, or none, another."""
    p2ms = []
    for number, seed in enumerate((7, 7, 8)):
        with Machine(saved.load(tmp_path / str(number), seed=seed)) as machine:
            p2ms.append(machine_p2m(machine, machine.domain).tolist())
    assert p2ms[0] == p2ms[1] != p2ms[2]


@pytest.mark.parametrize("run_state", ["running", "paused"])
def test_run_state(saved: Saved, tmp_path: Path, run_state: str) -> None:
    """A domain that ran runs after the load; one that was paused is paused."""
    saved.description = attrs.evolve(saved.description, run_state=run_state, command_line="ro")
    with Machine(saved.load(tmp_path / "copy")) as machine:
        assert (machine.domain.run_state, machine.domain.command_line) == (run_state, "ro")


def test_check_description_gives_the_block(saved: Saved) -> None:
    """The one RAM block is found."""
    assert check_description(saved.description).pages == 64
    assert isinstance(saved.description, Description)


def test_loaded_domains_are_changed_and_saved_again(saved: Saved, tmp_path: Path) -> None:
    """A loaded machine is a machine like any other: what its guest writes is in its next save."""
    goal = saved.load(tmp_path / "copy")
    with changed(goal) as machine:
        mfn = machine_p2m(machine, machine.domain)[9:10].astype(np.int64)
        machine.write(mfn, np.arange(1024, dtype=np.uint32), machine.domain.id)
    assert Saved.of(goal).pages[9, 1023] == 1023
