"""The judge over machines of today: page tables of three and four levels, in frames below and above 4 GiB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from domctx_sim.frame_table import FrameFlag
from domctx_sim.layout import Command
from domctx_sim.platforms import FOUR_LEVEL, PAE_TODAY
from helpers.bare_machines import Bare, refused, snapshot

DATA, L1, L2, L3, L4, OTHER = range(6)
"""Pages: mapped, a table of each level, one that nothing uses."""
RW, RO, TABLE, NX = 0x023, 0x021, 0x067, 1 << 63


def tables(folder: Path, levels: int) -> Bare:
    """A chain of tables, none pinned yet; the L1 table maps the data page writable and not executable."""
    bare = Bare.make(folder, seed=3, platform=FOUR_LEVEL if levels == 4 else PAE_TODAY)
    bare.poke(L1, 5, bare.entry(DATA, RW) | NX)
    for level in range(2, levels + 1):
        bare.poke(level, 3, bare.entry(level - 1, TABLE))
    return bare


@pytest.fixture
def four(tmp_path: Path) -> Iterator[Bare]:
    """A machine of four levels whose L4 table is pinned."""
    bare = tables(tmp_path, 4)
    bare.command(Command.PIN_L4_TABLE, L4)
    yield bare
    bare.machine.close()


@pytest.fixture
def pae(tmp_path: Path) -> Iterator[Bare]:
    """A PAE machine whose L3 table is pinned; its last entry names the L2 table."""
    bare = tables(tmp_path, 3)
    bare.command(Command.PIN_L3_TABLE, L3)
    yield bare
    bare.machine.close()


def test_frames_lie_beyond_4_gib(four: Bare) -> None:
    """A machine of today has frames that 32 bits of address do not reach, and gives them out."""
    assert four.machine.table.frames == 1 << 22
    assert int(four.mfns.max()) >= 1 << 20


def test_pinning_the_top_checks_and_counts_all_below(four: Bare) -> None:
    """Each table is used once by the one above it, the top by its pin, the data page by its writable mapping."""
    assert [four.counts(page) for page in (DATA, L1, L2, L3, L4)] == [(2, 1)] * 5
    types = four.machine.table.page_types(four.mfns[:6]).tolist()
    assert types == [0, 1, 2, 3, 8 | 4, 0]
    assert four.flags(L4) & FrameFlag.PINNED


def test_xens_slots_of_an_l4_table(four: Bare) -> None:
    """Slots 256 to 271 are Xen's and filled when the table is validated; those above are the guest's."""
    assert [bool(four.peek(L4, slot)) for slot in (255, 256, 271, 272)] == [False, True, True, False]
    assert four.peek(L4, 258) >> 12 == four.mfn(L4)
    for slot in (256, 271):
        refused(four, "an update writes to a slot of the hypervisor", (four.address(L4, slot), 0))
    four.updates((four.address(L4, 272), four.entry(L3, TABLE)))
    assert four.counts(L3) == (3, 2)


def test_unpinning_gives_everything_back(tmp_path: Path) -> None:
    """After the pin is gone nothing is used as a table, and all counts are as before it."""
    for levels, command in ((4, Command.PIN_L4_TABLE), (3, Command.PIN_L3_TABLE)):
        (tmp_path / str(levels)).mkdir()
        bare = tables(tmp_path / str(levels), levels)
        before = snapshot(bare.machine, bare.mfns)
        bare.command(command, levels)
        bare.command(Command.UNPIN_TABLE, levels)
        assert snapshot(bare.machine, bare.mfns) == before
        bare.machine.close()


@pytest.mark.parametrize(
    ("page", "entry", "message"),
    [
        (L1, (1 << 22) << 12 | RO, "an L1 entry maps a frame of another owner"),
        (L1, ((1 << 40) - 1) << 12 | RO, "an L1 entry maps a frame of another owner"),
        (L2, 0x83, "an L2 entry sets PSE"),
        (L3, 0x83, "an L3 entry sets PSE"),
        (L4, 0x83, "an L4 entry sets PSE"),
        (L2, 1 << 12 | RO, "an L2 entry names a frame of another owner"),
        (L4, (1 << 22) << 12 | RO, "an L4 entry names a frame of another owner"),
    ],
)
def test_entries_that_are_refused(four: Bare, page: int, entry: int, message: str) -> None:
    """An update with a large page, or a frame that is another's or no machine's, is refused and changes nothing."""
    refused(four, message, (four.address(page, 9), entry))


@pytest.mark.parametrize(
    ("page", "named", "flags", "message"),
    [
        (L1, L3, RW, "an L1 entry maps a page-table frame writable"),
        (L4, L2, TABLE, "an L4 entry names a frame that cannot be an L3 table"),
        (L3, L1, TABLE, "an L3 entry names a frame that cannot be an L2 table"),
        (L2, DATA, TABLE, "an L2 entry names a frame that cannot be an L1 table"),
        (L3, L3, TABLE, "an L3 entry maps an L3 table writable"),
    ],
)
def test_wrong_uses_are_refused(four: Bare, page: int, named: int, flags: int, message: str) -> None:
    """Tables are mapped read-only, and each entry names a table of the level below."""
    refused(four, message, (four.address(page, 9), four.entry(named, flags)))


def test_tables_that_are_refused_when_they_are_pinned(tmp_path: Path) -> None:
    """A fault anywhere below the table that is pinned refuses it, and leaves all counts as they were."""
    bare = tables(tmp_path, 4)
    bare.poke(L1, 511, 3 << 12 | RO)
    before = snapshot(bare.machine, bare.mfns)
    refused(bare, "an L1 entry maps a frame of another owner: entry 511", (bare.mfn(L4) << 12 | 3, 3))
    assert snapshot(bare.machine, bare.mfns) == before
    bare.machine.close()


def test_a_table_may_map_itself_read_only(four: Bare) -> None:
    """A linear page table, an entry of a table that names it, is allowed where it is read-only."""
    four.updates((four.address(L4, 7), four.entry(L4, RO)))
    assert four.counts(L4) == (2, 1)


def test_entries_are_exchanged(four: Bare) -> None:
    """An update above L1 takes what it names and drops what stood there."""
    four.updates((four.address(L2, 3), 0))
    assert (four.counts(L1), four.counts(DATA)) == ((1, 0), (1, 0))
    four.updates((four.address(L2, 4), four.entry(OTHER, TABLE)))
    assert four.counts(OTHER) == (2, 1)


def test_flags_above_the_frame_are_kept(four: Bare) -> None:
    """NX stays in the entry that is written."""
    four.updates((four.address(L1, 6), four.entry(OTHER, RW) | NX))
    assert four.peek(L1, 6) == four.entry(OTHER, RW) | NX


def test_pae_has_no_l4_tables(pae: Bare) -> None:
    """Pinning one is a command that the machine does not know."""
    refused(pae, "tables that this machine does not have; got 0x03", (pae.mfn(OTHER) << 12 | 3, 3))


def test_the_m2p_stands_in_the_last_l2_table(pae: Bare) -> None:
    """The L2 table in the last entry of an L3 table gets Xen's slots, which no update reaches, and loses them after."""
    assert pae.peek(L2, 428) >> 12 == 1
    assert pae.peek(L3, 4) == 0
    refused(pae, "an update writes to a slot of the hypervisor", (pae.address(L2, 430), 0))
    refused(pae, "an update writes to a slot of the hypervisor", (pae.address(L3, 4), 0))
    pae.updates((pae.address(L2, 427), pae.entry(L1, TABLE)))
    pae.updates((pae.address(L3, 3), 0))
    assert pae.peek(L2, 428) == 0


def test_the_m2p_needs_room_and_a_table_of_its_own(pae: Bare) -> None:
    """An L2 table that has entries where the M2P would stand, its own or Xen's for another L3 table, is refused."""
    pae.poke(OTHER, 3, pae.entry(L2, TABLE))
    refused(pae, "an L2 table has no room for Xen's M2P: entry 428", (pae.mfn(OTHER) << 12 | 3, 2))
    pae.updates((pae.address(L3, 3), 0), (pae.address(L3, 2), pae.entry(L2, TABLE)))
    pae.updates((pae.address(L2, 430), pae.entry(L1, TABLE)))
    refused(pae, "an L2 table has no room for Xen's M2P: entry 430", (pae.address(L3, 3), pae.entry(L2, TABLE)))


def test_a_table_that_is_damaged_behind_the_machines_back(four: Bare) -> None:
    """Where of several uses a later one is refused, those before it are given back."""
    four.command(Command.PIN_L3_TABLE, OTHER)
    four.machine.table.clear(four.mfns[OTHER : OTHER + 1], FrameFlag.VALIDATED)
    four.poke(OTHER, 1, 0x83)
    refused(four, "an L3 entry sets PSE", (four.address(L3, 9), four.entry(OTHER, RO)))
