"""Simulated machines whose domain nothing was put into, for tests of the judge; and what such tests ask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import pytest

from domctx.errors import DomainError
from domctx_sim.arrays import Numbers
from domctx_sim.dom0 import Dom0
from domctx_sim.frame_table import FrameFlag
from domctx_sim.layout import Command, CreateDomain, Update
from domctx_sim.machine import Machine
from domctx_sim.platforms import TWO_LEVEL, Platform

DOMAIN = 1
FOREIGN = 2
"""The owner of frames that a test gives to nobody it knows."""

L1, L2, DATA, OTHER = 0, 1, 2, 3
"""Pages of a bare domain with tables: an L1 table, an L2 table, a page that is mapped, a page that is not."""
RW, RO, DIRECTORY = 0x023, 0x021, 0x067
"""Flags of entries."""


@attrs.define
class Bare:
    """A machine with a domain of some pages that nothing was put into; ``mfns`` is the domain's page list."""

    machine: Machine
    dom0: Dom0
    mfns: Numbers

    @classmethod
    def make(cls, folder: Path, pages: int = 64, seed: int = 1, platform: Platform = TWO_LEVEL) -> Bare:
        """A fresh machine in ``folder``, which must exist and be empty."""
        dom0 = Dom0(Machine.create(folder, platform), seed=seed)
        dom0.create_domain(CreateDomain(memory_kb=4 * pages, name="bare"))
        return cls(dom0.machine, dom0, dom0.get_mem_list(DOMAIN, pages))

    @classmethod
    def with_tables(cls, folder: Path) -> Bare:
        """Page 0 is an L1 table in slot 768 of page 1, a pinned L2 table; the L1 table maps page 2 writable."""
        bare = cls.make(folder)
        bare.poke(L1, 5, bare.entry(DATA, RW))
        bare.poke(L2, 768, bare.entry(L1, DIRECTORY))
        bare.command(Command.PIN_L2_TABLE, L2)
        return bare

    def mfn(self, page: int) -> int:
        """The MFN of a page by its place in the page list."""
        return int(self.mfns[page])

    def entry(self, page: int, flags: int) -> int:
        """An entry that names a page."""
        return self.mfn(page) << 12 | flags

    def address(self, page: int, word: int) -> int:
        """The machine address of a word of a page, as wide as an entry."""
        return self.mfn(page) << 12 | word * self.machine.platform.paging.width

    def poke(self, page: int, word: int, value: int) -> None:
        """Write a word behind the machine's back."""
        contents = self.machine.frames.read(self.mfns[page : page + 1])
        contents.view(self.machine.platform.paging.entry)[0, word] = value
        self.machine.frames.write(self.mfns[page : page + 1], contents)

    def peek(self, page: int, word: int) -> int:
        """Read a word."""
        return int(self.machine.frames.words[self.mfns[page]].view(self.machine.platform.paging.entry)[word])

    def give_away(self, page: int) -> None:
        """Make a page's frame another owner's."""
        self.machine.table.owner[self.mfns[page]] = FOREIGN

    def updates(self, *updates: tuple[int, int]) -> None:
        """Page-table updates (ptr, val) by dom0 on the domain's behalf."""
        self.dom0.mmu_update(DOMAIN, np.array(updates, self.machine.platform.paging.entry).reshape(-1, 2))

    def command(self, command: Command, page: int) -> None:
        """One extended command about a page."""
        self.updates((self.mfn(page) << 12 | Update.EXTENDED, command))

    def counts(self, page: int) -> tuple[int, int]:
        """(references, uses as its type) of a page."""
        mfn = self.mfn(page)
        return int(self.machine.table.count[mfn]), int(self.machine.table.type_count[mfn])

    def flags(self, page: int) -> FrameFlag:
        """The flags of a page."""
        return FrameFlag(int(self.machine.table.flags[self.mfn(page)]))


def pin(bare: Bare, page: int, command: Command) -> tuple[int, int]:
    """The update that pins a page."""
    return bare.mfn(page) << 12 | Update.EXTENDED, command


def refused(bare: Bare, message: str, *updates: tuple[int, int]) -> None:
    """Updates are refused with a message, and leave all counts and the first pages as they were."""
    before = snapshot(bare.machine, bare.mfns)
    words = bare.machine.frames.read(bare.mfns[:4])
    with pytest.raises(DomainError, match=message):
        bare.updates(*updates)
    assert snapshot(bare.machine, bare.mfns) == before
    assert np.array_equal(bare.machine.frames.read(bare.mfns[:4]), words)


def snapshot(machine: Machine, pages: Sequence[int] | Numbers) -> tuple[bytes, ...]:
    """All that the frame table says of some frames, to compare before and after; types of unused frames left out."""
    mfns = np.asarray(pages)
    table = machine.table
    use = np.where(table.type_count[mfns] != 0, table.type[mfns], 0)
    columns = (table.owner[mfns], use, table.flags[mfns] & FrameFlag.PINNED, table.type_count[mfns], table.count[mfns])
    return tuple(np.ascontiguousarray(column).tobytes() for column in columns)
