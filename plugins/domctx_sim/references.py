"""The counts that keep frames apart: what a frame is used as, how often, and by which entries.

A frame changes its use only while nothing uses it; the first use as a page table checks its contents and counts the
references that they make, the last one gives them back.
Source: xen/common/memory.c and xen/include/xen/mm.h at commit 8babea8308.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from domctx.errors import DomainError
from domctx_sim import idle
from domctx_sim.arrays import Mask, Numbers, Words
from domctx_sim.frame_table import FrameFlag, FrameTable, FrameType
from domctx_sim.frames import Frames
from domctx_sim.rules import L2_FORBIDDEN, USES, descriptor_fault, first_fault, frames_of, l1_fault, present, writable
from domctx_x86 import I386_2LEVEL

_CHUNK: Final = 512
"""Page tables that are looked at in one go: 2 MiB of entries."""
_GUEST_SLOTS: Final = I386_2LEVEL.hypervisor_slots[0]


class References:
    """Takes and drops uses of frames. What is refused raises DomainError and leaves the counts as they were."""

    def __init__(self, frames: Frames, table: FrameTable) -> None:
        self._frames = frames
        self._table = table

    def own(self, mfns: Numbers, domain: int) -> None:
        """Refuse frames that are not the domain's."""
        foreign = self._table.owner[mfns] != domain
        if foreign.any():
            raise DomainError("a frame belongs to another owner", got=f"MFN 0x{int(mfns[foreign.argmax()]):05x}")

    def take(self, mfns: Numbers, use: FrameType, domain: int, *, first: int = -1) -> None:
        """Use each of the domain's frames (as often as it is listed) as ``use``; the first use is checked.

        New L2 tables are taken one at a time. ``first`` is the frame of a GDT whose reserved descriptors are Xen's.
        """
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
        kept = np.isin(table.type[unique], (FrameType.L1_TABLE, FrameType.L2_TABLE, FrameType.GDT, FrameType.LDT))
        done = unique[kept & (table.type_count[unique] == 0)]
        table.clear(done, FrameFlag.VALIDATED)
        self._count_tables(done[table.type[done] == FrameType.L1_TABLE], -1)
        for mfn in done[table.type[done] == FrameType.L2_TABLE].tolist():
            entries = self._frames.words[mfn, :_GUEST_SLOTS]
            targets = frames_of(entries[present(entries)])
            self.drop(targets[targets != mfn].astype(np.int64))

    def count_l1(self, entries: Words, step: int) -> None:
        """Count (+1) or give back (-1) the references that L1 entries make; those that are not present make none."""
        used = entries[present(entries)]
        mfns, written = frames_of(used), frames_of(used[writable(used)])
        change = np.array(step).astype(np.uint32)
        np.add.at(self._table.count, mfns, change)
        np.add.at(self._table.type_count, written, change)
        if step > 0:
            self._table.type[written] = FrameType.WRITABLE
            self._table.set(written, FrameFlag.VALIDATED)

    def _validate(self, mfns: Numbers, use: FrameType, domain: int, first: int) -> None:
        if use is FrameType.L1_TABLE:
            self._validate_l1(mfns, domain)
        elif use is FrameType.L2_TABLE:
            for mfn in mfns.tolist():
                self._validate_l2(mfn, domain)
        elif use is not FrameType.WRITABLE:
            self._validate_descriptors(mfns, first)

    def _validate_l1(self, mfns: Numbers, domain: int) -> None:
        for chunk in _chunks(mfns):
            entries = self._frames.read(chunk).reshape(-1)
            fault = l1_fault(self._table, entries, domain)
            if fault:
                page, index = divmod(fault.index, I386_2LEVEL.entries)
                raise entry_refused(fault.message, int(chunk[page]), index, int(entries[fault.index]))
        self._count_tables(mfns, 1)

    def _count_tables(self, mfns: Numbers, step: int) -> None:
        for chunk in _chunks(mfns):
            self.count_l1(self._frames.read(chunk).reshape(-1), step)

    def _validate_l2(self, mfn: int, domain: int) -> None:
        page = self._frames.words[mfn].copy()
        self.take_l2_entries(mfn, np.arange(_GUEST_SLOTS), page[:_GUEST_SLOTS], domain)
        page[_GUEST_SLOTS:] = idle.slots(mfn)
        self._frames.write(np.array([mfn]), page)

    def take_l2_entries(self, mfn: int, slots: Numbers, entries: Words, domain: int) -> None:
        """Use what entries of the L2 table ``mfn`` name: L1 tables; other L2 tables, read-only; or itself."""
        used = present(entries)
        slots, entries = slots[used], entries[used]
        targets = frames_of(entries).astype(np.int64)
        linear = (self._table.type_count[targets] != 0) & (self._table.type[targets] == FrameType.L2_TABLE)
        fault = first_fault(
            [
                ((entries & L2_FORBIDDEN) != 0, "an L2 entry sets GLOBAL or PSE"),
                (self._table.owner[targets] != domain, "an L2 entry names a frame of another owner"),
                (linear & writable(entries), "an L2 entry maps an L2 table writable"),
                (~linear & self._not_l1(targets), "an L2 entry names a frame that cannot be an L1 table"),
            ]
        )
        if fault:
            raise entry_refused(fault.message, mfn, int(slots[fault.index]), int(entries[fault.index]))
        self.take(targets[~linear], FrameType.L1_TABLE, domain)
        self.take(targets[linear & (targets != mfn)], FrameType.L2_TABLE, domain)

    def _not_l1(self, mfns: Numbers) -> Mask:
        other: Mask = (self._table.type_count[mfns] != 0) & (self._table.type[mfns] != FrameType.L1_TABLE)
        return other

    def _validate_descriptors(self, mfns: Numbers, first: int) -> None:
        for mfn in mfns.tolist():
            descriptors = self._frames.words[mfn].reshape(-1, 2)
            fault = descriptor_fault(descriptors, reserved=mfn == first)
            if fault:
                low, high = descriptors[fault.index].tolist()
                raise DomainError(
                    f"{fault.message}: entry {fault.index} of MFN 0x{mfn:05x}", got=f"0x{high:08x}{low:08x}"
                )


def entry_refused(message: str, mfn: int, index: int, entry: int) -> DomainError:
    """The refusal of one page-table entry; says where it stands and what it is."""
    return DomainError(f"{message}: entry {index} of the table in MFN 0x{mfn:05x}", got=f"0x{entry:08x}")


def _chunks(mfns: Numbers) -> Iterator[Numbers]:
    for start in range(0, len(mfns), _CHUNK):
        yield mfns[start : start + _CHUNK]
