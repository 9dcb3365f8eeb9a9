"""Page-table updates: the list that a guest or dom0 hands to Xen, checked as Xen of 2004 checks it.

Long runs of L1 and machine-to-physical updates are checked and made as arrays. Where an update is refused, those
before it stay made, as with Xen; a page table whose use is refused keeps its counts.
Source: xen/common/memory.c (do_mmu_update) at commit 8babea8308; formats/xen.md 1.5. Machines of more levels keep this
interface, in words as wide as their entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from domctx.errors import DomainError
from domctx.wire import record_name
from domctx_sim.arrays import Mask, Words
from domctx_sim.commands import Call, Commands, Cpu
from domctx_sim.frame_table import TABLES, FrameTable, FrameType
from domctx_sim.frames import Frames
from domctx_sim.layout import Command, Update
from domctx_sim.platforms import TWO_LEVEL, Platform
from domctx_sim.references import References, entry_refused
from domctx_sim.rules import Fault, first_fault, l1_fault
from domctx_x86 import PAGE_MASK, PAGE_SHIFT

_WINDOW: Final = 8192
"""Updates that are looked at in one go."""
Updates = Words
"""u32[n, 2], or u64[n, 2] where entries have 8 octets: ``ptr`` and ``val`` of each update."""


class Mmu:
    """The judge of what builders, loaders and guests do to page tables."""

    def __init__(
        self,
        frames: Frames,
        table: FrameTable,
        references: References,
        cpus: Mapping[int, Cpu],
        platform: Platform = TWO_LEVEL,
    ) -> None:
        """``cpus`` are the domains that exist, by id."""
        self._paging = platform.paging
        self._word = self._paging.width.bit_length() - 1
        self._frames = frames
        self._table = table
        self._references = references
        self._commands = Commands(table, references, cpus, platform)

    def update(self, updates: Updates, caller: int) -> None:
        """Make the updates in order, for the domain ``caller`` (0 for dom0, which names its subject first).

        Raises DomainError that names the update which Xen would refuse.
        """
        call = Call(caller, caller, caller)
        position = 0
        while position < len(updates):
            window = updates[position : position + _WINDOW]
            try:
                length = self._plain(window)
                if length:
                    self._segment(window[:length], call, position)
                else:
                    length = self._single(window, call)
            except DomainError as error:
                raise error.at(record=record_name("MMU_UPDATE", position)) from None
            position += length

    def _plain(self, window: Updates) -> int:
        """How many updates at the start are of L1 entries, plain words or the M2P."""
        kind = window[:, 0] & 3
        above = np.isin(self._table.type[self._frames_at(window[:, 0])], TABLES[1:])
        other = ((kind == Update.NORMAL) & above) | ((kind != Update.NORMAL) & (kind != Update.MACHPHYS))
        return int(other.argmax()) if other.any() else len(window)

    def _frames_at(self, addresses: Words) -> Words:
        """The frames of machine addresses; Xen's own frame 0 for those that the machine does not have."""
        return self._table.inside(addresses >> addresses.dtype.type(PAGE_SHIFT))

    def _segment(self, updates: Updates, call: Call, position: int) -> None:
        """Check and make updates of L1 entries, plain words and the M2P."""
        ptrs, vals = updates[:, 0], updates[:, 1]
        mfns = self._frames_at(ptrs)
        normal = ptrs & 3 == Update.NORMAL
        l1 = normal & (self._table.type[mfns] == FrameType.L1_TABLE)
        fault = self._target_fault(mfns, normal, l1, call)
        if fault is None:
            held = np.unique(mfns[l1]).astype(np.int64)
            self._references.take(held, FrameType.L1_TABLE, call.tables)
            try:
                fault = l1_fault(self._table, np.where(l1, vals, vals.dtype.type(0)), call.frames, self._paging)
                if fault is None:
                    self._write(ptrs[normal] >> ptrs.dtype.type(self._word), vals[normal], l1[normal])
                    self._table.m2p[mfns[~normal]] = vals[~normal]
            finally:
                self._references.drop(held)
        if fault:
            if fault.index:
                self._segment(updates[: fault.index], call, position)
            ptr, val = updates[fault.index].tolist()
            error = self._refused(fault.message, ptr, val)
            raise error.at(record=record_name("MMU_UPDATE", position + fault.index))

    def _target_fault(self, mfns: Words, normal: Mask, l1: Mask, call: Call) -> Fault | None:
        owner, use = self._table.owner[mfns], self._table.type[mfns]
        busy = (self._table.type_count[mfns] != 0) & (use != FrameType.WRITABLE)
        return first_fault(
            [
                (normal & (owner != call.tables), "an update writes to a frame of another owner"),
                (~normal & (owner != call.frames), "an M2P update names a frame of another owner"),
                (normal & ~l1 & busy, "an update writes to a descriptor table"),
            ]
        )

    def _write(self, slots: Words, vals: Words, l1: Mask) -> None:
        """Write words of memory by their number, from address 0 on; of several values for one word the last stays."""
        words, last = np.unique(slots[::-1], return_index=True)
        last = len(slots) - 1 - last
        vals, l1 = vals[last], l1[last]
        pages, rows = np.unique(words // self._paging.entries, return_inverse=True)
        contents = self._frames.read(pages).view(self._paging.entry)
        former = contents[rows, words % self._paging.entries]
        contents[rows, words % self._paging.entries] = vals
        self._references.count_l1(vals[l1], 1)
        self._references.count_l1(former[l1], -1)
        self._frames.write(pages, contents)

    def _single(self, window: Updates, call: Call) -> int:
        """Make the first update, or the run of L1 pins that it begins; returns how many were made."""
        ptr, val = window[0].tolist()
        kind = ptr & 3
        if kind == Update.NORMAL:
            self._update_table(call, ptr, val)
            return 1
        if kind != Update.EXTENDED:
            raise DomainError("an update of unknown kind", expected="0, 2 or 3", got=kind)
        if val & 0xFF == Command.PIN_L1_TABLE:
            return self._pin_l1_run(window, call)
        self._commands.run(call, ptr & ~3, val)
        return 1

    def _update_table(self, call: Call, ptr: int, val: int) -> None:
        """Write an entry of a table above L1."""
        mfn, slot = ptr >> PAGE_SHIFT, (ptr & PAGE_MASK) >> self._word
        held = np.array([mfn])
        use = FrameType(int(self._table.type[mfn]))
        page = self._frames.read(held).view(self._paging.entry)
        if self._references.is_xens(page[0], use, slot):
            raise self._refused("an update writes to a slot of the hypervisor", ptr, val)
        self._references.take(held, use, call.tables)
        try:
            slots, new = np.array([slot]), np.array([val], self._paging.entry)
            self._references.take_entries(mfn, use, slots, new, call.tables)
            former = page[0, slot : slot + 1].copy()
            page[0, slot] = val
            self._frames.write(held, page)
            self._references.drop_entries(mfn, use, slots, former)
        finally:
            self._references.drop(held)

    def _refused(self, message: str, ptr: int, val: int) -> DomainError:
        return entry_refused(message, ptr >> PAGE_SHIFT, (ptr & PAGE_MASK) >> self._word, val, self._paging.width)

    def _pin_l1_run(self, window: Updates, call: Call) -> int:
        same = ((window[:, 0] & 3) == Update.EXTENDED) & ((window[:, 1] & 0xFF) == Command.PIN_L1_TABLE)
        length = len(window) if same.all() else int((~same).argmax())
        self._commands.pin((window[:length, 0] >> PAGE_SHIFT).astype(np.int64), FrameType.L1_TABLE, call)
        return length
