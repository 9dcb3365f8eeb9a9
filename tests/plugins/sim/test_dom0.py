"""Tests of domctx_sim.dom0: the operations that builders, savers and restorers use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from domctx.errors import DomainError
from domctx.schema import decode, encode
from domctx_cpu.layout import FullExecutionContext
from domctx_sim.dom0 import Dom0
from domctx_sim.frame_table import FrameType
from domctx_sim.layout import BuildDomain, Command, CreateDomain, DomainState, PageFrameInfo, Update
from domctx_sim.machine import Machine
from helpers.bare_machines import DOMAIN, Bare
from helpers.machines import built

L2 = 0


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """A domain of 64 pages, its page 0 a pinned, empty page directory."""
    bare = Bare.make(tmp_path)
    bare.command(Command.PIN_L2_TABLE, L2)
    return bare


def operation(bare: Bare, *, vifs: int = 1, **changes: Any) -> BuildDomain:
    """BUILDDOMAIN with page 0 as the page directory."""
    empty = decode(FullExecutionContext, bytes(2516))
    context = attrs.evolve(empty, **{"pt_base": bare.mfn(L2) << 12, **changes})
    return BuildDomain(domain=DOMAIN, num_vifs=vifs, context=encode(context))


def test_create(tmp_path: Path) -> None:
    """A new domain has its memory, its name, an id and a frame shared with Xen; it is stopped and not built."""
    dom0 = Dom0(Machine.create(tmp_path), seed=1)
    made = dom0.create_domain(CreateDomain(memory_kb=64, name="first"))
    info = dom0.get_domain_info(made.domain)
    assert (info.name, info.tot_pages, info.state) == ("first", 16, DomainState.STOPPED)
    assert info.context == bytes(2516)
    assert dom0.machine.table.owner[info.shared_info_frame] == made.domain
    assert len(np.unique(dom0.get_mem_list(made.domain, 100))) == 16
    assert len(dom0.get_mem_list(made.domain, 5)) == 5


@pytest.mark.parametrize(
    ("memory", "name", "message"),
    [
        (3, "x", "needs memory"),
        (64, "x" * 16, "name cannot be kept"),
        (64, "ä", "name cannot be kept"),
        (64, "a\0b", "name cannot be kept"),
        (1 << 22, "x", "too few free frames"),
    ],
)
def test_create_refused(tmp_path: Path, memory: int, name: str, message: str) -> None:
    """No memory, too much of it, or a name that cannot be kept: refused, and there is no domain."""
    dom0 = Dom0(Machine.create(tmp_path))
    with pytest.raises(DomainError, match=message):
        dom0.create_domain(CreateDomain(memory_kb=memory, name=name))
    assert not dom0.machine.domains


def test_one_domain(bare: Bare) -> None:
    """A machine holds one domain."""
    with pytest.raises(DomainError, match="holds a domain already"):
        bare.dom0.create_domain(CreateDomain(memory_kb=64, name="second"))


def test_build(bare: Bare) -> None:
    """A built domain keeps its context, counts its page directory and GDT, and is built once."""
    frames = (bare.mfn(5), bare.mfn(6), *[0] * 14)
    built_with = operation(bare, gdt_frames=frames, gdt_ents=513, vifs=2)
    bare.dom0.build_domain(built_with)
    assert bare.dom0.get_domain_info(DOMAIN).context == built_with.context
    assert bare.counts(L2) == (3, 2)
    assert [bare.counts(page) for page in (5, 6)] == [(2, 1)] * 2
    assert bare.machine.table.type[bare.mfns[5]] == FrameType.GDT
    with pytest.raises(DomainError, match="built already"):
        bare.dom0.build_domain(operation(bare))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vifs": 9}, "too many network interfaces"),
        ({"pt_base": 0x1234_5678}, "base is not the address of a page"),
        ({"pt_base": 0x1000}, "another owner"),
        ({"ldt_base": 5}, "LDT is misplaced"),
        ({"gdt_ents": 8193}, "too many entries in the GDT"),
        ({"gdt_ents": 1, "gdt_frames": (1 << 20, *[0] * 15)}, "GDT frame that no machine has"),
        ({"gdt_ents": 1}, "another owner"),
    ],
)
def test_build_refused(bare: Bare, changes: dict[str, Any], message: str) -> None:
    """What Xen refuses in a context is refused, and nothing stays counted."""
    with pytest.raises(DomainError, match=message):
        bare.dom0.build_domain(operation(bare, **changes))
    assert bare.counts(L2) == (2, 1)
    with pytest.raises(DomainError, match="not built yet"):
        bare.dom0.start_domain(DOMAIN)


def test_gdt_frames_are_dense(bare: Bare) -> None:
    """Entry 512 i stands in frame i of the context: frame 1, not frame 512, holds the entries from 512 on."""
    with pytest.raises(DomainError, match="another owner"):
        bare.dom0.build_domain(operation(bare, gdt_ents=513, gdt_frames=(bare.mfn(5), *[0] * 15)))
    bare.dom0.build_domain(operation(bare, gdt_ents=512, gdt_frames=(bare.mfn(5), *[0] * 15)))


def test_processor_commands(bare: Bare) -> None:
    """A built guest changes its own page directory and LDT."""
    bare.dom0.build_domain(operation(bare))
    commands = [
        (bare.mfn(9) << 12 | Update.EXTENDED, Command.NEW_BASEPTR),
        (0xC000_0000 | Update.EXTENDED, 5 << 8 | Command.SET_LDT),
    ]
    bare.machine.mmu.update(np.array(commands, np.uint32), DOMAIN)
    cpu = bare.machine.domain.cpu
    assert (cpu.pt_base >> 12, cpu.ldt_base, cpu.ldt_ents) == (bare.mfn(9), 0xC000_0000, 5)
    assert [bare.counts(page) for page in (L2, 9)] == [(2, 1), (2, 1)]


def test_run_states(bare: Bare) -> None:
    """A started domain runs and tells no context; it stops when asked, and only a stopped one tells its context."""
    bare.dom0.build_domain(operation(bare))
    bare.dom0.start_domain(DOMAIN)
    info = bare.dom0.get_domain_info(DOMAIN)
    assert (info.state, info.context) == (DomainState.ACTIVE, bytes(2516))
    with pytest.raises(DomainError, match="the domain runs"):
        bare.dom0.destroy_domain(DOMAIN)
    bare.dom0.stop_domain(DOMAIN)
    assert bare.dom0.get_domain_info(DOMAIN).context == operation(bare).context
    bare.machine.domain.run_state = "suspended"
    bare.dom0.stop_domain(DOMAIN)
    assert bare.machine.domain.run_state == "suspended"


@pytest.mark.parametrize("force", [False, True])
def test_destroy(bare: Bare, force: bool) -> None:
    """A destroyed domain leaves free frames of zeros, so that the machine takes another one."""
    bare.dom0.build_domain(operation(bare))
    if force:
        bare.dom0.start_domain(DOMAIN)
    bare.poke(8, 0, 5)
    bare.dom0.destroy_domain(DOMAIN, force=force)
    assert not bare.machine.frames.words[bare.mfns].any()
    assert bare.dom0.create_domain(CreateDomain(memory_kb=64, name="next")).domain == DOMAIN
    for ask in (bare.dom0.get_domain_info, bare.dom0.start_domain, bare.dom0.stop_domain, bare.dom0.destroy_domain):
        with pytest.raises(DomainError, match="no such domain"):
            ask(7)


def test_page_frame_info(bare: Bare) -> None:
    """The type of a frame is told to its owner's saver alone."""
    ask = bare.dom0.get_page_frame_info
    assert ask(PageFrameInfo(pfn=bare.mfn(L2), domain=DOMAIN)).type == 2
    assert ask(PageFrameInfo(pfn=bare.mfn(5), domain=DOMAIN)).type == 0
    with pytest.raises(DomainError, match="another owner"):
        ask(PageFrameInfo(pfn=0, domain=DOMAIN))
    with pytest.raises(DomainError, match="a frame that no machine has"):
        ask(PageFrameInfo(pfn=1 << 20, domain=DOMAIN))
    with pytest.raises(DomainError, match="no such domain"):
        ask(PageFrameInfo(pfn=5, domain=9))


def test_memory_list_of_an_opened_machine(tmp_path: Path) -> None:
    """A machine that was opened again still knows which frames its domain has."""
    with Machine(built(tmp_path / "m")) as machine:
        mfns = Dom0(machine).get_mem_list(DOMAIN, 1000)
        assert np.array_equal(mfns, machine.table.owned(DOMAIN))
        assert len(mfns) == 64
