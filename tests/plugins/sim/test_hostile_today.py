"""Saved states that somebody tampered with, loaded into machines of today: refused, or good domains after all."""

from __future__ import annotations

import copy
import functools
import tempfile
from pathlib import Path

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomctxError
from domctx.states import GdtContext, SpecialMapping
from domctx_sim.frame_table import TABLES
from domctx_sim.lists import with_arch
from domctx_sim.machine import Machine
from domctx_sim.platforms import FOUR_LEVEL, PAE_TODAY
from domctx_sim.processor import processor_of
from domctx_sim.rules import frames_of, present, writable
from helpers.machines import Saved, built, told_of

PLATFORMS = {"pae": PAE_TODAY, "4-level": FOUR_LEVEL}
PAGES = 200
WHAT = ("entry", "entry", "entry", "type", "list", "base", "record", "top", "gdt", "special")
"""What is changed; entries of page tables the most often."""


@functools.cache
def good(name: str) -> Saved:
    """A small domain that nobody tampered with."""
    with tempfile.TemporaryDirectory() as folder:
        return Saved.of(built(Path(folder) / "m", platform=PLATFORMS[name], pages=PAGES))


def entry(draw: st.DrawFn) -> int:
    """An entry: of the domain or not, with any flags."""
    frame = draw(st.integers(0, PAGES + 2) | st.integers(0, (1 << 40) - 1) | st.sampled_from([1, 1 << 22]))
    flags = draw(st.sampled_from([0x001, 0x021, 0x023, 0x067, 0x0E7, 0x1E3, 0x000, 1 << 63 | 0x067, 0x7FF << 52 | 3]))
    return frame << 12 | flags


@st.composite
def tampered(draw: st.DrawFn, name: str) -> Saved:
    """A domain with one to three things changed."""
    found, platform = copy.copy(good(name)), PLATFORMS[name]
    found.pages, processor = found.pages.copy(), processor_of(platform)
    found.tables = attrs.evolve(found.tables, types=found.tables.types.copy())
    tables = np.flatnonzero(found.tables.types).tolist()
    pages = st.integers(0, PAGES + 1)
    for _ in range(draw(st.integers(1, 3))):
        what = draw(
            st.sampled_from(["entry", "entry", "entry", "type", "list", "base", "record", "top", "gdt", "special"])
        )
        if what == "entry":
            page = found.pages[draw(st.sampled_from(tables))].view("<u8")
            page[draw(st.integers(0, 511) | st.sampled_from([3, 200, 256, 427, 428, 430]))] = entry(draw)
        elif what == "type":
            found.tables.types[draw(st.integers(0, PAGES - 1))] = draw(st.sampled_from([0, 1, 2, 3, 4, 9, 10, 11, 12]))
        elif what == "list":
            frames = tuple(draw(st.lists(pages, max_size=3)))
            found.tables = attrs.evolve(found.tables, frame_list=frames)
        elif what == "base":
            bases = draw(st.lists(pages, min_size=1, max_size=2))
            found.cpu = processor.with_bases(found.cpu, bases, canonical=True)
        elif what == "record":
            found.cpu = processor.with_record(found.cpu, draw(pages | st.integers(0, 2**32 - 1)))
        elif what == "top":
            top = draw(pages | st.integers(0, 2**32 - 1))
            page = with_arch(found.shared_info.page, platform, pfn_to_mfn_frame_list_list=top)
            found.shared_info = attrs.evolve(found.shared_info, page=page)
        elif what == "gdt":
            found.gdt = GdtContext((draw(pages),), draw(st.integers(0, 512)))
        else:
            special = SpecialMapping(draw(pages), draw(st.integers(0, 513)), entry(draw) & 0xFFF, "shared_info")
            found.tables = attrs.evolve(found.tables, special=(special,))
    return found


def keeps_the_rules(folder: Path) -> None:
    """Whatever is used as a page table names nothing but the domain's own frames, and no table is mapped writable."""
    with Machine(folder) as machine:
        table, paging = machine.table, machine.platform.paging
        owned = {*np.flatnonzero(table.owner == machine.domain.id).tolist()}
        used = [mfn for mfn in owned if table.type_count[mfn] and table.type[mfn] in TABLES]
        assert used
        for mfn in used:
            level = int(table.type[mfn])
            page = machine.frames.words[mfn].view(paging.entry).copy()
            page[paging.hypervisor_entries(level)] = 0
            if paging.m2p_slot is not None and level == paging.levels - 1:
                page[paging.m2p_slot :] *= frames_of(page[paging.m2p_slot :][:1], paging)[0] != 1
            found = page[present(page)]
            named = frames_of(found, paging)
            assert set(named.tolist()) <= owned
            kinds = np.where(table.type_count[named] != 0, table.type[named], 0)
            if level == 1:
                assert not np.isin(kinds[writable(found)], TABLES).any()
            else:
                assert np.isin(kinds, (level - 1, level)).all()
        bases = processor_of(machine.platform).bases(machine.domain.cpu)
        assert all(table.type[base] == paging.levels for base in bases)


@pytest.mark.parametrize("name", PLATFORMS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_what_was_tampered_with(name: str, data: st.DataObject) -> None:
    """It is refused by a DomctxError; or the machine's frame table and page tables keep every rule, and it is told."""
    found = data.draw(tampered(name))
    with tempfile.TemporaryDirectory() as folder:
        goal = Path(folder) / "m"
        try:
            found.load(goal)
        except DomctxError:
            assert not goal.exists()
            return
        keeps_the_rules(goal)
        try:
            told_of(goal)
        except DomctxError:
            return


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_rules_hold_of_a_good_domain(name: str, tmp_path: Path) -> None:
    """What checks the tampered ones finds no fault with a good one."""
    keeps_the_rules(good(name).load(tmp_path / "m"))
