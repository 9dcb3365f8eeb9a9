"""Tests of domctx_sim.references: counts of uses, and what is checked at the first one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from domctx.errors import DomainError
from domctx_sim.frame_table import FrameFlag, FrameType
from domctx_sim.references import References, entry_refused
from helpers.bare_machines import DOMAIN, Bare, snapshot

BAD = (0x0000FFFF, 0x00409A00)
"""A descriptor of level 0."""


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """A domain of 64 pages."""
    return Bare.make(tmp_path)


def references(bare: Bare) -> References:
    """The machine's counts."""
    return bare.machine.references


def test_a_use_is_counted_as_often_as_it_is_listed(bare: Bare) -> None:
    """Taking and dropping count each listing."""
    pages = bare.mfns[[3, 3, 4]]
    references(bare).take(pages, FrameType.L1_TABLE, DOMAIN)
    assert [bare.counts(page) for page in (3, 4)] == [(3, 2), (2, 1)]
    references(bare).drop(pages[:1])
    assert bare.counts(3) == (2, 1)
    assert FrameFlag.VALIDATED in bare.flags(3)
    references(bare).drop(pages[1:])
    assert [bare.counts(page) for page in (3, 4)] == [(1, 0)] * 2


DEEP = (FrameType.L3_TABLE, FrameType.L4_TABLE)


@pytest.mark.parametrize("use", DEEP)
def test_deeper_tables_than_the_machine_has(bare: Bare, use: FrameType) -> None:
    """A machine of two levels has no L3 and no L4 tables, whatever its frame table says."""
    bare.machine.table.type[bare.mfns[3]] = use
    with pytest.raises(DomainError, match="a page table of a level that this machine does not have; got an L"):
        references(bare).take(bare.mfns[3:4], use, DOMAIN)


def test_uses_exclude_each_other(bare: Bare) -> None:
    """While a frame is used as one thing it cannot be taken as another; afterwards it can."""
    page = bare.mfns[3:4]
    uses = [use for use in FrameType if use is not FrameType.NONE and use not in DEEP]
    for use in uses:
        bare.machine.frames.write(page, np.zeros(1024, np.uint32))
        references(bare).take(page, use, DOMAIN)
        for other in uses:
            if other is not use:
                before = snapshot(bare.machine, bare.mfns)
                with pytest.raises(DomainError, match="in use as something else"):
                    references(bare).take(page, other, DOMAIN)
                assert snapshot(bare.machine, bare.mfns) == before
        references(bare).drop(page)


def test_only_the_owner(bare: Bare) -> None:
    """Another owner's frame cannot be taken."""
    bare.give_away(3)
    with pytest.raises(DomainError, match=f"belongs to another owner; got MFN 0x{bare.mfn(3):05x}"):
        references(bare).take(bare.mfns[2:5], FrameType.WRITABLE, DOMAIN)


def test_types_that_there_are_not(bare: Bare) -> None:
    """A frame table may hold anything: a frame of no known type that is in use is not taken."""
    bare.machine.table.type[bare.mfns[3]], bare.machine.table.type_count[bare.mfns[3]] = 8, 1
    with pytest.raises(DomainError, match=r"in use as something else; .* got something unknown"):
        references(bare).take(bare.mfns[3:4], FrameType.WRITABLE, DOMAIN)


@pytest.mark.parametrize("use", [FrameType.GDT, FrameType.LDT])
def test_descriptors_are_checked(bare: Bare, use: FrameType) -> None:
    """A frame with a bad descriptor cannot be one of a GDT or LDT, and the refusal says which it is."""
    bare.poke(3, 10, BAD[0])
    bare.poke(3, 11, BAD[1])
    before = snapshot(bare.machine, bare.mfns)
    with pytest.raises(DomainError, match=f"level 0: entry 5 of MFN 0x{bare.mfn(3):05x}; got 0x00409a000000ffff"):
        references(bare).take(bare.mfns[2:4], use, DOMAIN)
    assert snapshot(bare.machine, bare.mfns) == before


def test_reserved_descriptors_of_the_first_frame(bare: Bare) -> None:
    """Xen's own descriptors are not looked at in the frame that is a GDT's first."""
    bare.poke(3, 512, BAD[0])
    bare.poke(3, 513, BAD[1])
    with pytest.raises(DomainError, match="entry 256"):
        references(bare).take(bare.mfns[3:4], FrameType.GDT, DOMAIN)
    references(bare).take(bare.mfns[3:4], FrameType.GDT, DOMAIN, first=bare.mfn(3))


def test_entry_refused() -> None:
    """A refusal says where an entry stands and what it is, in fixed-width hex."""
    text = str(entry_refused("no", 0x123, 7, 0x21))
    assert text == "no: entry 7 of the table in MFN 0x00123; got 0x00000021"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    entries=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 1023), st.integers(8, 63), st.sampled_from([0x21, 0x23, 0x22])),
        max_size=60,
    )
)
def test_taking_and_dropping_is_nothing(bare: Bare, entries: list[tuple[int, int, int, int]]) -> None:
    """Whatever good entries four L1 tables hold: taking them counts each, and dropping them leaves no trace."""
    for page in range(4):
        bare.machine.frames.write(bare.mfns[page : page + 1], np.zeros(1024, np.uint32))
    for page, index, target, flags in entries:
        bare.poke(page, index, bare.entry(target, flags))
    before = snapshot(bare.machine, bare.mfns)
    tables = bare.mfns[[0, 1, 2, 3, 2]]
    references(bare).take(tables, FrameType.L1_TABLE, DOMAIN)
    words = bare.machine.frames.read(bare.mfns[:4])
    used = words[(words & 1) != 0]
    for page in range(8, 64):
        mine = used[used >> 12 == bare.mfn(page)]
        assert bare.counts(page) == (1 + len(mine), int(np.count_nonzero(mine & 2)))
    references(bare).drop(tables)
    assert snapshot(bare.machine, bare.mfns) == before
