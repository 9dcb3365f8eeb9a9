"""Page-table updates: the list that a guest or dom0 hands to Xen, checked as Xen of 2004 checks it.

Long runs of L1 and machine-to-physical updates are checked and made as arrays. Where an update is refused, those
before it stay made, as with Xen; a page table whose use is refused keeps its counts.
Source: xen/common/memory.c (do_mmu_update, do_extended_command) at commit 8babea8308; formats/xen.md 1.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import attrs
import numpy as np

from domctx.errors import DomainError
from domctx.wire import record_name
from domctx_sim.arrays import Mask, Numbers, Words
from domctx_sim.frame_table import FrameFlag, FrameTable, FrameType
from domctx_sim.frames import Frames
from domctx_sim.layout import PRIVATE_START, SUBJECT_PAGE_TABLES, WORDS, Command, Update
from domctx_sim.references import References, entry_refused
from domctx_sim.rules import Fault, first_fault, frames_of, l1_fault, present
from domctx_x86 import DESCRIPTOR_SIZE, I386_2LEVEL, MAX_DESCRIPTORS, PAGE_MASK, PAGE_SHIFT

_WINDOW: Final = 8192
"""Updates that are looked at in one go."""
DOM0: Final = 0
"""The caller that may act for other domains; it has no memory of its own here."""

Updates = Words
"""u32[n, 2]: ``ptr`` and ``val`` of each update."""


class Cpu(Protocol):
    """What of a domain's processor its page-table updates change."""

    def set_base(self, mfn: int) -> int:
        """Install a page directory; returns the frame of the former one."""

    def set_ldt(self, base: int, entries: int) -> None:
        """Install an LDT at a linear address."""


@attrs.define
class _Call:
    """One list of updates: who sent it, and the subjects set so far."""

    caller: int
    frames: int
    """The domain whose frames L1 entries and M2P updates may name."""
    tables: int
    """The domain whose page tables are changed."""
    subject: int = 0


class Mmu:
    """The judge of what builders, loaders and guests do to page tables."""

    def __init__(self, frames: Frames, table: FrameTable, references: References, cpus: Mapping[int, Cpu]) -> None:
        """``cpus`` are the domains that exist, by id."""
        self._frames = frames
        self._table = table
        self._references = references
        self._cpus = cpus
        self._commands: Mapping[int, Callable[[_Call, int, int], None]] = {
            Command.PIN_L2_TABLE: self._pin_l2,
            Command.UNPIN_TABLE: self._unpin,
            Command.NEW_BASEPTR: self._new_base,
            Command.TLB_FLUSH: _nothing,
            Command.INVLPG: _nothing,
            Command.SET_LDT: self._set_ldt,
            Command.SET_SUBJECTDOM_L: _subject_low,
            Command.SET_SUBJECTDOM_H: self._subject_high,
        }

    def update(self, updates: Updates, caller: int) -> None:
        """Make the updates in order, for the domain ``caller`` (0 for dom0, which names its subject first).

        Raises DomainError that names the update which Xen would refuse.
        """
        call = _Call(caller, caller, caller)
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
        l2 = self._table.type[window[:, 0] >> PAGE_SHIFT] == FrameType.L2_TABLE
        other = ((kind == Update.NORMAL) & l2) | ((kind != Update.NORMAL) & (kind != Update.MACHPHYS))
        return int(other.argmax()) if other.any() else len(window)

    def _segment(self, updates: Updates, call: _Call, position: int) -> None:
        """Check and make updates of L1 entries, plain words and the M2P."""
        ptrs, vals = updates[:, 0], updates[:, 1]
        mfns = frames_of(ptrs)
        normal = ptrs & 3 == Update.NORMAL
        l1 = normal & (self._table.type[mfns] == FrameType.L1_TABLE)
        fault = self._target_fault(mfns, normal, l1, call)
        if fault is None:
            held = np.unique(mfns[l1]).astype(np.int64)
            self._references.take(held, FrameType.L1_TABLE, call.tables)
            try:
                fault = l1_fault(self._table, np.where(l1, vals, np.uint32(0)), call.frames)
                if fault is None:
                    self._write(ptrs[normal] >> 2, vals[normal], l1[normal])
                    self._table.m2p[mfns[~normal]] = vals[~normal]
            finally:
                self._references.drop(held)
        if fault:
            if fault.index:
                self._segment(updates[: fault.index], call, position)
            ptr, val = updates[fault.index].tolist()
            error = entry_refused(fault.message, ptr >> PAGE_SHIFT, (ptr & PAGE_MASK) >> 2, val)
            raise error.at(record=record_name("MMU_UPDATE", position + fault.index))

    def _target_fault(self, mfns: Words, normal: Mask, l1: Mask, call: _Call) -> Fault | None:
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
        """Write words of memory by their machine address over 4; of several values for one word the last stays."""
        words, last = np.unique(slots[::-1], return_index=True)
        last = len(slots) - 1 - last
        vals, l1 = vals[last], l1[last]
        pages, rows = np.unique(words // WORDS, return_inverse=True)
        contents = self._frames.read(pages)
        former = contents[rows, words % WORDS]
        contents[rows, words % WORDS] = vals
        self._references.count_l1(vals[l1], 1)
        self._references.count_l1(former[l1], -1)
        self._frames.write(pages, contents)

    def _single(self, window: Updates, call: _Call) -> int:
        """Make the first update, or the run of L1 pins that it begins; returns how many were made."""
        ptr, val = window[0].tolist()
        kind = ptr & 3
        if kind == Update.NORMAL:
            self._update_l2(call, ptr, val)
            return 1
        if kind != Update.EXTENDED:
            raise DomainError("an update of unknown kind", expected="0, 2 or 3", got=kind)
        if val & 0xFF == Command.PIN_L1_TABLE:
            return self._pin_l1_run(window, call)
        command = self._commands.get(val & 0xFF)
        if command is None:
            raise DomainError(
                "an unknown command, or one for tables that i386 does not have", got=f"0x{val & 0xFF:02x}"
            )
        command(call, ptr & ~3, val)
        return 1

    def _update_l2(self, call: _Call, ptr: int, val: int) -> None:
        mfn, slot = ptr >> PAGE_SHIFT, (ptr & PAGE_MASK) >> 2
        if slot >= I386_2LEVEL.used_entries(2):
            raise entry_refused("an update writes to a slot of the hypervisor", mfn, slot, val)
        held = np.array([mfn])
        self._references.take(held, FrameType.L2_TABLE, call.tables)
        try:
            new = np.array([val], np.uint32)
            self._references.take_l2_entries(mfn, np.array([slot]), new, call.tables)
            page = self._frames.read(held)
            former = page[0, slot : slot + 1].copy()
            page[0, slot] = val
            self._frames.write(held, page)
            targets = frames_of(former[present(former)]).astype(np.int64)
            self._references.drop(targets[targets != mfn])
        finally:
            self._references.drop(held)

    def _pin_l1_run(self, window: Updates, call: _Call) -> int:
        same = ((window[:, 0] & 3) == Update.EXTENDED) & ((window[:, 1] & 0xFF) == Command.PIN_L1_TABLE)
        length = len(window) if same.all() else int((~same).argmax())
        self._pin((window[:length, 0] >> PAGE_SHIFT).astype(np.int64), FrameType.L1_TABLE, call)
        return length

    def _pin_l2(self, call: _Call, ptr: int, val: int) -> None:
        self._pin(np.array([ptr >> PAGE_SHIFT]), FrameType.L2_TABLE, call)

    def _pin(self, mfns: Numbers, use: FrameType, call: _Call) -> None:
        unique, counts = np.unique(mfns, return_counts=True)
        again = (counts > 1) | self._table.has(unique, FrameFlag.PINNED)
        self._references.own(mfns, call.tables)
        if again.any():
            raise DomainError("a page table is pinned already", got=f"MFN 0x{int(unique[again.argmax()]):05x}")
        self._references.take(mfns, use, call.tables)
        self._table.set(mfns, FrameFlag.PINNED)

    def _unpin(self, call: _Call, ptr: int, val: int) -> None:
        mfns = np.array([ptr >> PAGE_SHIFT])
        self._references.own(mfns, call.tables)
        if not self._table.has(mfns, FrameFlag.PINNED)[0]:
            raise DomainError("a frame that is not pinned cannot be unpinned", got=f"MFN 0x{int(mfns[0]):05x}")
        self._table.clear(mfns, FrameFlag.PINNED)
        self._references.drop(mfns)

    def _cpu(self, call: _Call) -> Cpu:
        cpu = self._cpus.get(call.caller)
        if cpu is None:
            raise DomainError("the caller has no processor here", got=f"domain {call.caller}")
        return cpu

    def _new_base(self, call: _Call, ptr: int, val: int) -> None:
        cpu = self._cpu(call)
        mfns = np.array([ptr >> PAGE_SHIFT])
        self._references.take(mfns, FrameType.L2_TABLE, call.caller)
        self._references.drop(np.array([cpu.set_base(int(mfns[0]))]))

    def _set_ldt(self, call: _Call, ptr: int, val: int) -> None:
        entries = val >> 8
        check_ldt(ptr, entries)
        self._cpu(call).set_ldt(ptr, entries)

    def _subject_high(self, call: _Call, ptr: int, val: int) -> None:
        if call.caller != DOM0:
            raise DomainError("only dom0 may act for another domain", got=f"domain {call.caller}")
        domain = call.subject | _half(ptr, val) << 32
        if domain not in self._cpus:
            raise DomainError("no such domain", got=domain)
        call.frames = domain
        if val & SUBJECT_PAGE_TABLES:
            call.tables = domain


def check_ldt(base: int, entries: int) -> None:
    """Raise DomainError for an LDT whose place or size Xen refuses."""
    if base & PAGE_MASK or entries > MAX_DESCRIPTORS or base + entries * DESCRIPTOR_SIZE > PRIVATE_START:
        raise DomainError(
            "an LDT is misplaced",
            expected=f"a page-aligned address, at most {MAX_DESCRIPTORS} entries, below 0x{PRIVATE_START:08x}",
            got=f"0x{base:08x}, {entries} entries",
        )


def _half(ptr: int, val: int) -> int:
    return (ptr & 0xFFFF_0000) | val >> 16


def _subject_low(call: _Call, ptr: int, val: int) -> None:
    call.subject = _half(ptr, val)


def _nothing(call: _Call, ptr: int, val: int) -> None:
    """A flush: there is no TLB here."""


def subject_updates(domain: int) -> Updates:
    """The two updates with which dom0 names the domain whose frames and page tables a list is about."""
    low, high = domain & 0xFFFF_FFFF, domain >> 32
    commands = (Command.SET_SUBJECTDOM_L, Command.SET_SUBJECTDOM_H | SUBJECT_PAGE_TABLES)
    rows = [
        ((half & 0xFFFF_0000) | Update.EXTENDED, (half & 0xFFFF) << 16 | command)
        for half, command in zip((low, high), commands, strict=True)
    ]
    return np.array(rows, np.uint32)
