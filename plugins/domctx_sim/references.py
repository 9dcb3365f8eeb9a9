"""The counts that keep frames apart: what a frame is used as, how often, and by which entries.

A frame changes its use only while nothing uses it; the first use as a page table checks its contents and counts the
references that they make, the last one gives them back.
Source: xen/common/memory.c and xen/include/xen/mm.h at commit 8babea8308; tables of more than two levels follow the
same rules, with Xen's slots where formats/xen.md 4.5 has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from domctx.errors import DomainError
from domctx_sim import idle
from domctx_sim.arrays import Mask, Numbers, Words
from domctx_sim.frame_table import TABLES, FrameFlag, FrameTable, FrameType
from domctx_sim.frames import Frames
from domctx_sim.rules import (
    USES,
    descriptor_fault,
    first_fault,
    forbidden,
    frames_of,
    l1_fault,
    present,
    writable,
)
from domctx_x86 import I386_2LEVEL, Paging

_CHUNK: Final = 512
"""Page tables that are looked at in one go: 2 MiB of entries."""
_KEPT: Final = (*TABLES, FrameType.GDT, FrameType.LDT)
"""Uses whose end gives back what the frame was checked for."""


class References:
    """Takes and drops uses of frames. What is refused raises DomainError and leaves the counts as they were."""

    def __init__(self, frames: Frames, table: FrameTable, paging: Paging = I386_2LEVEL) -> None:
        self._frames = frames
        self._table = table
        self._paging = paging

    def own(self, mfns: Numbers, domain: int) -> None:
        """Refuse frames that are not the domain's."""
        foreign = self._table.owner[self._table.inside(mfns)] != domain
        if foreign.any():
            raise DomainError("a frame belongs to another owner", got=f"MFN 0x{int(mfns[foreign.argmax()]):05x}")

    def take(self, mfns: Numbers, use: FrameType, domain: int, *, first: int = -1) -> None:
        """Use each of the domain's frames (as often as it is listed) as ``use``; the first use is checked.

        New tables above L1 are taken one at a time. ``first`` is the frame of a GDT that holds Xen's own descriptors.
        """
        if use in TABLES and use > self._paging.levels:
            raise DomainError("a page table of a level that this machine does not have", got=USES[use])
        self.own(mfns, domain)
        unique, counts = np.unique(mfns, return_counts=True)
        table = self._table
        busy = (table.type_count[unique] != 0) & (table.type[unique] != use)
        if busy.any():
            mfn = int(unique[busy.argmax()])
            raise DomainError(
                "a frame is in use as something else",
                expected=f"MFN 0x{mfn:05x} as {USES[use]}",
                got=USES.get(int(table.type[mfn]), "something unknown"),
            )
        fresh = unique[(table.type[unique] != use) | ~table.has(unique, FrameFlag.VALIDATED)]
        former = table.type[fresh].copy(), table.flags[fresh].copy()
        table.type[unique] = use
        table.clear(fresh, FrameFlag.VALIDATED)
        table.type_count[unique] += counts.astype(np.uint32)
        table.count[unique] += counts.astype(np.uint32)
        try:
            self._validate(fresh, use, domain, first)
        except DomainError:
            table.type_count[unique] -= counts.astype(np.uint32)
            table.count[unique] -= counts.astype(np.uint32)
            table.type[fresh], table.flags[fresh] = former
            raise
        table.set(fresh, FrameFlag.VALIDATED)

    def drop(self, mfns: Numbers) -> None:
        """Give back one use of each frame (as often as it is listed)."""
        unique, counts = np.unique(mfns, return_counts=True)
        table = self._table
        table.type_count[unique] -= counts.astype(np.uint32)
        table.count[unique] -= counts.astype(np.uint32)
        done = unique[np.isin(table.type[unique], _KEPT) & (table.type_count[unique] == 0)]
        table.clear(done, FrameFlag.VALIDATED)
        self._count_tables(done[table.type[done] == FrameType.L1_TABLE], -1)
        for mfn in done[np.isin(table.type[done], TABLES[1:])].tolist():
            level = int(table.type[mfn])
            slots, entries = self._guest_entries(self._page(mfn), level)
            self.drop_entries(mfn, level, slots, entries)

    def count_l1(self, entries: Words, step: int) -> None:
        """Count (+1) or give back (-1) the references that L1 entries make; those that are not present make none."""
        used = entries[present(entries)]
        mfns, written = frames_of(used, self._paging), frames_of(used[writable(used)], self._paging)
        change = np.array(step).astype(np.uint32)
        np.add.at(self._table.count, mfns, change)
        np.add.at(self._table.type_count, written, change)
        if step > 0:
            self._table.type[written] = FrameType.WRITABLE
            self._table.set(written, FrameFlag.VALIDATED)

    def _validate(self, mfns: Numbers, use: FrameType, domain: int, first: int) -> None:
        if use is FrameType.L1_TABLE:
            self._validate_l1(mfns, domain)
        elif use in TABLES:
            for mfn in mfns.tolist():
                self._validate_table(mfn, int(use), domain)
        elif use is not FrameType.WRITABLE and self._paging is I386_2LEVEL:  # today's Xen corrects descriptors
            self._validate_descriptors(mfns, first)

    def _validate_l1(self, mfns: Numbers, domain: int) -> None:
        for chunk in _chunks(mfns):
            entries = self._entries(chunk)
            fault = l1_fault(self._table, entries, domain, self._paging)
            if fault:
                page, index = divmod(fault.index, self._paging.entries)
                raise self._refused(fault.message, int(chunk[page]), index, int(entries[fault.index]))
        self._count_tables(mfns, 1)

    def _count_tables(self, mfns: Numbers, step: int) -> None:
        for chunk in _chunks(mfns):
            self.count_l1(self._entries(chunk), step)

    def _entries(self, mfns: Numbers) -> Words:
        """A copy of the entries of tables, all in a row."""
        entries: Words = self._frames.read(mfns).view(self._paging.entry).reshape(-1)
        return entries

    def _page(self, mfn: int) -> Words:
        """A copy of the entries of one table."""
        page: Words = self._frames.words[mfn].view(self._paging.entry).copy()
        return page

    def _guest_entries(self, page: Words, level: int) -> tuple[Numbers, Words]:
        """The slots and entries of a table that are not Xen's."""
        slots = np.delete(np.arange(len(page)), self._paging.hypervisor_entries(level))
        return slots, page[slots]

    def is_xens(self, page: Words, level: int, slot: int) -> bool:
        """Whether an entry of a table in use is Xen's own."""
        m2p, first = self._paging.m2p_slot, self._paging.hypervisor_slots
        if m2p is not None and level == self._paging.levels - 1 and slot >= m2p:
            return bool(frames_of(page[m2p : m2p + 1], self._paging)[0] == idle.M2P_FRAME)
        return level == self._paging.levels and first[0] <= slot < first[1]

    def _validate_table(self, mfn: int, level: int, domain: int) -> None:
        page = self._page(mfn)
        self.take_entries(mfn, level, *self._guest_entries(page, level), domain)
        if level == self._paging.levels:
            idle.fill(page, mfn, self._paging)
            self._frames.write(np.array([mfn]), page)

    def take_entries(self, mfn: int, level: int, slots: Numbers, entries: Words, domain: int) -> None:
        """Use what entries of a table above L1 name: tables of the level below; others of its own, read-only; itself.

        The L2 table that Xen maps the M2P into, of a PAE guest, must have room for it, and gets it.
        """
        used = present(entries)
        slots, entries = slots[used], entries[used]
        targets = self._table.inside(frames_of(entries, self._paging)).astype(np.int64)
        own = (self._table.type_count[targets] != 0) & (self._table.type[targets] == level)
        fault = first_fault(
            [
                forbidden(entries, level, self._paging),
                (self._table.owner[targets] != domain, f"an L{level} entry names a frame of another owner"),
                (own & writable(entries), f"an L{level} entry maps an L{level} table writable"),
                (
                    ~own & self._not_a(level - 1, targets),
                    f"an L{level} entry names a frame that cannot be an L{level - 1} table",
                ),
            ]
        )
        if fault:
            raise self._refused(fault.message, mfn, int(slots[fault.index]), int(entries[fault.index]))
        shared = self._m2p_tables(level, slots, targets)
        for each in shared.tolist():
            self._check_room(each)
        self.take(targets[~own], FrameType(level - 1), domain)
        try:
            self.take(targets[own & (targets != mfn)], FrameType(level), domain)
        except DomainError:
            self.drop(targets[~own])
            raise
        for each in shared.tolist():
            self._set_m2p(each, mapped=True)

    def drop_entries(self, mfn: int, level: int, slots: Numbers, entries: Words) -> None:
        """Give back what ``take_entries`` took."""
        used = present(entries)
        targets = frames_of(entries[used], self._paging).astype(np.int64)
        for each in self._m2p_tables(level, slots[used], targets).tolist():
            self._set_m2p(each, mapped=False)
        self.drop(targets[targets != mfn])

    def _not_a(self, level: int, mfns: Numbers) -> Mask:
        other: Mask = (self._table.type_count[mfns] != 0) & (self._table.type[mfns] != level)
        return other

    def _m2p_tables(self, level: int, slots: Numbers, targets: Numbers) -> Numbers:
        """Of the tables that entries name, the L2 table that Xen maps the M2P into: a PAE guest's last, or none."""
        if self._paging.m2p_slot is None or level != self._paging.levels:
            return targets[:0]
        found: Numbers = targets[slots == idle.M2P_ENTRY]
        return found

    def _check_room(self, mfn: int) -> None:
        taken = present(self._page(mfn)[self._paging.m2p_slot :])
        if taken.any():
            slot = (self._paging.m2p_slot or 0) + int(taken.argmax())
            raise self._refused("an L2 table has no room for Xen's M2P", mfn, slot, int(self._page(mfn)[slot]))

    def _set_m2p(self, mfn: int, *, mapped: bool) -> None:
        page, first = self._page(mfn), self._paging.m2p_slot or 0
        page[first:] = 0
        if mapped:
            page[first : first + idle.SLOTS] = idle.slots(mfn, self._paging)
        self._frames.write(np.array([mfn]), page)

    def _refused(self, message: str, mfn: int, index: int, entry: int) -> DomainError:
        return entry_refused(message, mfn, index, entry, self._paging.width)

    def _validate_descriptors(self, mfns: Numbers, first: int) -> None:
        for mfn in mfns.tolist():
            descriptors = self._frames.words[mfn].reshape(-1, 2)
            fault = descriptor_fault(descriptors, reserved=mfn == first)
            if fault:
                low, high = descriptors[fault.index].tolist()
                raise DomainError(
                    f"{fault.message}: entry {fault.index} of MFN 0x{mfn:05x}", got=f"0x{high:08x}{low:08x}"
                )


def entry_refused(message: str, mfn: int, index: int, entry: int, width: int = 4) -> DomainError:
    """The refusal of one page-table entry of ``width`` octets; says where it stands and what it is."""
    return DomainError(f"{message}: entry {index} of the table in MFN 0x{mfn:05x}", got=f"0x{entry:0{2 * width}x}")


def _chunks(mfns: Numbers) -> Iterator[Numbers]:
    for start in range(0, len(mfns), _CHUNK):
        yield mfns[start : start + _CHUNK]
