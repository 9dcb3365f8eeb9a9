"""The extended commands among page-table updates: pins, page-table base, LDT, flushes, and whom dom0 acts for.

Source: xen/common/memory.c (do_extended_command) at commit 8babea8308; formats/xen.md 1.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import attrs
import numpy as np

from domctx.errors import DomainError
from domctx_sim.arrays import Numbers, Words
from domctx_sim.frame_table import FrameFlag, FrameTable, FrameType
from domctx_sim.layout import SUBJECT_PAGE_TABLES, Command, Update
from domctx_sim.platforms import TWO_LEVEL, Platform
from domctx_sim.references import References
from domctx_sim.rules import check_ldt
from domctx_x86 import PAGE_SHIFT

DOM0: Final = 0
"""The caller that may act for other domains; it has no memory of its own here."""


class Cpu(Protocol):
    """What of a domain's processor its page-table updates change."""

    def set_base(self, mfn: int) -> int:
        """Install a top-level page table; returns the frame of the former one."""

    def set_ldt(self, base: int, entries: int) -> None:
        """Install an LDT at a linear address."""


@attrs.define
class Call:
    """One list of updates: who sent it, and the subjects set so far."""

    caller: int
    frames: int
    """The domain whose frames L1 entries and M2P updates may name."""
    tables: int
    """The domain whose page tables are changed."""
    subject: int = 0


class Commands:
    """Carries out extended commands."""

    def __init__(
        self, table: FrameTable, references: References, cpus: Mapping[int, Cpu], platform: Platform = TWO_LEVEL
    ) -> None:
        """``cpus`` are the domains that exist, by id."""
        self._platform = platform
        self._table = table
        self._references = references
        self._cpus = cpus
        self._commands: Mapping[int, Callable[[Commands, Call, int, int], None]] = {
            **{pin_command(level): Commands._pin for level in range(2, platform.paging.levels + 1)},
            Command.UNPIN_TABLE: Commands._unpin,
            Command.NEW_BASEPTR: Commands._new_base,
            Command.TLB_FLUSH: Commands._nothing,
            Command.INVLPG: Commands._nothing,
            Command.SET_LDT: Commands._set_ldt,
            Command.SET_SUBJECTDOM_L: Commands._subject_low,
            Command.SET_SUBJECTDOM_H: Commands._subject_high,
        }
        """What carries out each command: functions, not methods of this object, which would be a circle."""

    def run(self, call: Call, ptr: int, val: int) -> None:
        """One command; ``ptr`` without its low two bits. Raises DomainError where Xen refuses it."""
        command = self._commands.get(val & 0xFF)
        if command is None:
            raise DomainError(
                "an unknown command, or one for tables that this machine does not have", got=f"0x{val & 0xFF:02x}"
            )
        command(self, call, ptr, val)

    def _pin(self, call: Call, ptr: int, val: int) -> None:
        self.pin(np.array([ptr >> PAGE_SHIFT]), FrameType((val & 0xFF) + 1), call)

    def pin(self, mfns: Numbers, use: FrameType, call: Call) -> None:
        """Pin page tables, each once. Raises DomainError where one is pinned already, or cannot be such a table."""
        unique, counts = np.unique(mfns, return_counts=True)
        self._references.own(mfns, call.tables)
        again = (counts > 1) | self._table.has(unique, FrameFlag.PINNED)
        if again.any():
            raise DomainError("a page table is pinned already", got=f"MFN 0x{int(unique[again.argmax()]):05x}")
        self._references.take(mfns, use, call.tables)
        self._table.set(mfns, FrameFlag.PINNED)

    def _unpin(self, call: Call, ptr: int, val: int) -> None:
        mfns = np.array([ptr >> PAGE_SHIFT])
        self._references.own(mfns, call.tables)
        if not self._table.has(mfns, FrameFlag.PINNED)[0]:
            raise DomainError("a frame that is not pinned cannot be unpinned", got=f"MFN 0x{int(mfns[0]):05x}")
        self._table.clear(mfns, FrameFlag.PINNED)
        self._references.drop(mfns)

    def _cpu(self, call: Call) -> Cpu:
        cpu = self._cpus.get(call.caller)
        if cpu is None:
            raise DomainError("the caller has no processor here", got=f"domain {call.caller}")
        return cpu

    def _new_base(self, call: Call, ptr: int, val: int) -> None:
        cpu = self._cpu(call)
        mfns = np.array([ptr >> PAGE_SHIFT])
        self._references.take(mfns, FrameType(self._platform.paging.levels), call.caller)
        try:
            former = cpu.set_base(int(mfns[0]))
        except DomainError:
            self._references.drop(mfns)
            raise
        self._references.drop(np.array([former]))

    def _set_ldt(self, call: Call, ptr: int, val: int) -> None:
        entries = val >> 8
        check_ldt(ptr, entries, self._platform.segment_limit)
        self._cpu(call).set_ldt(ptr, entries)

    def _subject_low(self, call: Call, ptr: int, val: int) -> None:
        call.subject = _half(ptr, val)

    def _subject_high(self, call: Call, ptr: int, val: int) -> None:
        if call.caller != DOM0:
            raise DomainError("only dom0 may act for another domain", got=f"domain {call.caller}")
        domain = call.subject | _half(ptr, val) << 32
        if domain not in self._cpus:
            raise DomainError("no such domain", got=domain)
        call.frames = domain
        if val & SUBJECT_PAGE_TABLES:
            call.tables = domain

    def _nothing(self, call: Call, ptr: int, val: int) -> None:
        """A flush: there is no TLB here."""


def pin_command(level: int) -> Command:
    """The command that pins a table of a level."""
    return Command(Command.PIN_L1_TABLE + level - 1)


def _half(ptr: int, val: int) -> int:
    return (ptr & 0xFFFF_0000) | val >> 16


def subject_updates(domain: int) -> Words:
    """The two updates with which dom0 names the domain whose frames and page tables a list is about: u32[2, 2]."""
    low, high = domain & 0xFFFF_FFFF, domain >> 32
    commands = (Command.SET_SUBJECTDOM_L, Command.SET_SUBJECTDOM_H | SUBJECT_PAGE_TABLES)
    rows = [
        ((half & 0xFFFF_0000) | Update.EXTENDED, (half & 0xFFFF) << 16 | command)
        for half, command in zip((low, high), commands, strict=True)
    ]
    return np.array(rows, np.uint32)
