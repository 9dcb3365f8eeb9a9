"""Tests of domctx_sim.mmu: what Xen refuses in lists of page-table updates, and what it counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domctx.errors import DomainError
from domctx_sim.commands import subject_updates
from domctx_sim.frame_table import FrameFlag, FrameType
from domctx_sim.layout import Command, Update
from helpers.bare_machines import DATA, DIRECTORY, DOMAIN, L1, L2, OTHER, RO, RW, Bare, pin, refused


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """A domain of 64 pages."""
    return Bare.make(tmp_path)


@pytest.fixture
def tables(tmp_path: Path) -> Bare:
    """Page 0 is an L1 table in slot 768 of page 1, a pinned L2 table; the L1 table maps page 2 writable."""
    return Bare.with_tables(tmp_path)


def test_pinning_counts(tables: Bare) -> None:
    """Pinning an L2 table counts it, its L1 tables and what these map."""
    assert tables.counts(L2) == (2, 1)
    assert tables.counts(L1) == (2, 1)
    assert tables.counts(DATA) == (2, 1)
    assert tables.machine.table.type[tables.mfns[:3]].tolist() == [1, 2, 7]
    assert tables.flags(L2) == FrameFlag.ALLOCATED | FrameFlag.PINNED | FrameFlag.VALIDATED


def test_unpinning_gives_back(tables: Bare) -> None:
    """Unpinning the last use of a directory gives back all that its tables counted."""
    tables.command(Command.UNPIN_TABLE, L2)
    assert [tables.counts(page) for page in (L1, L2, DATA)] == [(1, 0)] * 3
    assert tables.flags(L1) == tables.flags(L2) == FrameFlag.ALLOCATED


def test_hypervisor_slots_are_filled(tables: Bare) -> None:
    """A directory gets Xen's sixteen slots when it is first used; the linear one maps the directory itself."""
    slots = tables.machine.frames.words[tables.mfns[L2], 1008:]
    assert np.all(slots & 1)
    assert slots[1019 - 1008] >> 12 == tables.mfn(L2)


def test_l1_update_moves_counts(tables: Bare) -> None:
    """A new entry counts what it maps, and what the former one mapped is given back."""
    tables.updates((tables.address(L1, 5), tables.entry(OTHER, RW)))
    assert tables.peek(L1, 5) == tables.entry(OTHER, RW)
    assert tables.counts(DATA) == (1, 0)
    assert tables.counts(OTHER) == (2, 1)


def test_flags_only_update(tables: Bare) -> None:
    """An update that takes the right to write away gives back the writable use, and keeps the reference."""
    tables.updates((tables.address(L1, 5), tables.entry(DATA, RO)))
    assert tables.counts(DATA) == (2, 0)


def test_last_of_several_values_stays(tables: Bare) -> None:
    """Of several updates of one word in a list the last one stays and is counted."""
    word = tables.address(L1, 7)
    tables.updates((word, tables.entry(DATA, RW)), (word, 0), (word, tables.entry(OTHER, RO)))
    assert tables.peek(L1, 7) == tables.entry(OTHER, RO)
    assert tables.counts(DATA) == (2, 1)
    assert tables.counts(OTHER) == (2, 0)


def test_entries_that_are_not_present(tables: Bare) -> None:
    """An entry that is not present may hold anything."""
    tables.updates((tables.address(L1, 9), 0xFFFF_FFFE), (tables.address(L2, 9), 0xFFFF_FFFE))
    assert tables.peek(L1, 9) == tables.peek(L2, 9) == 0xFFFF_FFFE


def test_plain_pages_can_be_written(bare: Bare) -> None:
    """An update of a page that is no table writes the word."""
    bare.updates((bare.address(DATA, 3), 0x1234_5678))
    assert bare.peek(DATA, 3) == 0x1234_5678
    assert bare.counts(DATA) == (1, 0)


def test_m2p(bare: Bare) -> None:
    """An M2P update sets the entry of its frame."""
    bare.updates((bare.mfn(DATA) << 12 | Update.MACHPHYS, 77))
    assert bare.machine.table.m2p[bare.mfn(DATA)] == 77


def test_many_updates_across_windows(tmp_path: Path) -> None:
    """Long runs of L1 and M2P updates, cut by updates of a directory, all arrive."""
    bare = Bare.make(tmp_path, pages=12000)
    bare.poke(L2, 0, 0)
    bare.command(Command.PIN_L2_TABLE, L2)
    updates = []
    for page in range(20, 12000):
        if page % 1024 == 20:
            table = 2 + page // 1024
            updates.append((bare.address(L2, page // 1024), bare.entry(table, DIRECTORY)))
        updates.append((bare.address(table, (page - 20) % 1024), bare.entry(page, RW)))
        updates.append((bare.mfn(page) << 12 | Update.MACHPHYS, page))
    bare.updates(*updates)
    assert np.array_equal(bare.machine.table.m2p[bare.mfns[20:]], np.arange(20, 12000))
    assert np.all(bare.machine.table.type_count[bare.mfns[20:]] == 1)


def test_self_map_is_tolerated(tables: Bare) -> None:
    """A directory that maps itself read-only is a linear page table, and counts nothing."""
    tables.updates((tables.address(L2, 700), tables.entry(L2, 0x061)))
    assert tables.counts(L2) == (2, 1)
    tables.updates((tables.address(L2, 700), 0))
    assert tables.counts(L2) == (2, 1)


def test_linear_map_of_another_directory(tables: Bare) -> None:
    """A directory may map another validated one read-only, which counts as a use of it."""
    tables.poke(OTHER, 700, tables.entry(L2, 0x061))
    tables.command(Command.PIN_L2_TABLE, OTHER)
    assert tables.counts(L2) == (3, 2)
    tables.command(Command.UNPIN_TABLE, OTHER)
    assert tables.counts(L2) == (2, 1)


def test_writable_mapping_of_a_table(tables: Bare) -> None:
    """A writable mapping of a page-table frame is refused, read-only is not."""
    for page in (L1, L2):
        refused(tables, "maps a page-table frame writable", (tables.address(L1, 8), tables.entry(page, RW)))
    tables.updates((tables.address(L1, 8), tables.entry(L1, RO)))


def test_writable_mapping_at_first_use(tables: Bare) -> None:
    """An L1 table that maps itself, or a table of the same run, writable cannot be used."""
    tables.poke(DATA + 5, 0, tables.entry(DATA + 5, RW))
    refused(tables, "maps a page-table frame writable", pin(tables, DATA + 5, Command.PIN_L1_TABLE))
    tables.poke(DATA + 5, 0, tables.entry(DATA + 6, RW))
    runs = [pin(tables, DATA + offset, Command.PIN_L1_TABLE) for offset in (5, 6)]
    refused(tables, "maps a page-table frame writable", *runs)


def test_writable_mapping_first(tables: Bare) -> None:
    """A frame that is mapped writable cannot become a page table."""
    refused(
        tables, "in use as something else.*an L1 page table.*mapped writable", pin(tables, DATA, Command.PIN_L1_TABLE)
    )


def test_frames_of_other_owners(tables: Bare) -> None:
    """Entries, updates, pins and M2P updates that name another owner's frame are refused."""
    tables.give_away(OTHER)
    entry = tables.entry(OTHER, RO)
    refused(tables, "L1 entry maps a frame of another owner", (tables.address(L1, 8), entry))
    refused(tables, "L2 entry names a frame of another owner", (tables.address(L2, 8), entry))
    refused(tables, "writes to a frame of another owner", (tables.address(OTHER, 8), 0))
    refused(tables, "M2P update names a frame of another owner", (tables.mfn(OTHER) << 12 | Update.MACHPHYS, 0))
    refused(tables, "belongs to another owner", pin(tables, OTHER, Command.PIN_L1_TABLE))
    refused(tables, "belongs to another owner", pin(tables, OTHER, Command.UNPIN_TABLE))


def test_frames_of_xen(tables: Bare) -> None:
    """A frame of Xen's own cannot be mapped; the shared-info frame, which it shares, can."""
    refused(tables, "L1 entry maps a frame of another owner", (tables.address(L1, 8), 1 << 12 | RO))
    shared = tables.machine.domain.shared_info_frame
    tables.updates((tables.address(L1, 8), shared << 12 | RW))
    assert tables.machine.table.count[shared] == 2


def test_l2_targets(tables: Bare) -> None:
    """A directory's entry must name a frame that is or can be an L1 table."""
    refused(tables, "names a frame that cannot be an L1 table", (tables.address(L2, 8), tables.entry(DATA, RO)))
    refused(tables, "maps an L2 table writable", (tables.address(L2, 8), tables.entry(L2, DIRECTORY)))


def test_forbidden_flags(tables: Bare) -> None:
    """GLOBAL and PAT in an L1 entry, GLOBAL and PSE in an L2 entry are refused."""
    for flag in (0x100, 0x080):
        refused(tables, "L1 entry sets GLOBAL or PAT", (tables.address(L1, 8), tables.entry(OTHER, RW | flag)))
        refused(tables, "L2 entry sets GLOBAL or PSE", (tables.address(L2, 8), tables.entry(OTHER, DIRECTORY | flag)))


def test_hypervisor_slots_are_not_the_guests(tables: Bare) -> None:
    """A slot of the hypervisor cannot be written."""
    for slot in (1008, 1023):
        refused(tables, "slot of the hypervisor: entry", (tables.address(L2, slot), 0))


def test_unknown_updates(tables: Bare) -> None:
    """Kinds and commands that do not exist here are refused."""
    refused(tables, "unknown kind", (tables.address(L1, 8) | 1, 0))
    for command in (Command.PIN_L3_TABLE, Command.PIN_L4_TABLE, 11):
        refused(tables, "unknown command", (tables.mfn(L1) << 12 | Update.EXTENDED, command))


def test_earlier_updates_stay(tables: Bare) -> None:
    """The updates before a refused one stay made, and the refusal says which one it was."""
    good = (tables.address(L1, 8), tables.entry(OTHER, RW))
    m2p = (tables.mfn(OTHER) << 12 | Update.MACHPHYS, 99)
    late = (tables.address(L1, 9), tables.entry(OTHER, RO))
    with pytest.raises(DomainError) as caught:
        tables.updates(good, m2p, (tables.address(L1, 9), tables.entry(L1, RW)), late)
    assert caught.value.record == "MMU_UPDATE[4]"
    assert f"entry 9 of the table in MFN 0x{tables.mfn(L1):05x}" in str(caught.value)
    assert caught.value.got == f"0x{tables.entry(L1, RW):08x}"
    assert tables.peek(L1, 8) == good[1]
    assert tables.machine.table.m2p[tables.mfn(OTHER)] == 99
    assert tables.peek(L1, 9) == 0


def test_failed_directory_gives_back_its_tables(bare: Bare) -> None:
    """A directory that is refused at its first use gives back the L1 tables that it had taken."""
    bare.poke(L1, 5, bare.entry(DATA, RW))
    bare.poke(L2, 768, bare.entry(L1, DIRECTORY))
    bare.poke(L2, 769, bare.entry(OTHER, DIRECTORY))
    bare.poke(OTHER, 0, bare.entry(L2, RW))
    refused(bare, "maps a page-table frame writable", pin(bare, L2, Command.PIN_L2_TABLE))


def test_table_without_uses_is_checked_again(tables: Bare) -> None:
    """An update of a table that nothing uses any more checks all of it, and keeps nothing counted."""
    tables.command(Command.UNPIN_TABLE, L2)
    tables.updates((tables.address(L1, 8), tables.entry(OTHER, RW)), (tables.address(L2, 8), 0))
    assert tables.peek(L1, 8) == tables.entry(OTHER, RW)
    assert [tables.counts(page) for page in (L1, L2, DATA, OTHER)] == [(1, 0)] * 4
    tables.poke(L1, 9, tables.entry(L1, RW))
    refused(tables, "maps a page-table frame writable", (tables.address(L1, 10), 0))


def test_guests_change_their_own_tables(tables: Bare) -> None:
    """A guest needs no subject for its own tables, and may not name one."""
    updates = np.array([(tables.address(L1, 8), tables.entry(OTHER, RW))], np.uint32)
    tables.machine.mmu.update(updates, DOMAIN)
    assert tables.counts(OTHER) == (2, 1)
    with pytest.raises(DomainError, match="only dom0 may act for another domain"):
        tables.machine.mmu.update(np.concatenate([subject_updates(DOMAIN), updates]), DOMAIN)


def test_descriptor_tables_are_not_written(tables: Bare) -> None:
    """A frame in use as a descriptor table can neither be written by an update nor mapped writable."""
    tables.machine.references.take(tables.mfns[OTHER : OTHER + 1], FrameType.GDT, DOMAIN)
    refused(tables, "writes to a descriptor table", (tables.address(OTHER, 0), 0))
    refused(tables, "maps a descriptor-table frame writable", (tables.address(L1, 8), tables.entry(OTHER, RW)))
