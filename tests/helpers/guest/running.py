"""The guest in a real QEMU: started, watched, and judged while it stands still."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from helpers.real_qemu import PATIENCE, RealQemu

from .judge import check_counts_on, check_disk, check_pages, check_serial, read_report, serial_text
from .machines import GuestMachine, make_disk
from .report import ADDRESS, SIZE, Report

WORK: Final = 120
"""Ticks that the guest does between two looks: 0.6 s of its time."""


class Guest:
    """One machine with the guest, its disk and its serial port's text in a folder; QEMUs come and go."""

    def __init__(self, machine: GuestMachine, kernel: Path, folder: Path) -> None:
        self.machine, self.folder = machine, folder
        self.serial, self.disk = folder / "serial.txt", make_disk(folder / "disk.raw")
        self._kernel = kernel

    def arguments(self, serial: Path | None = None, disk: Path | None = None) -> list[str]:
        """QEMU's arguments for this guest, with other files where given."""
        return self.machine.arguments(self._kernel, serial or self.serial, disk or self.disk)

    def qemu(self, serial: Path | None = None, disk: Path | None = None) -> RealQemu:
        """A QEMU for this guest, not started."""
        return RealQemu(*self.arguments(serial, disk))

    def begin(self, qemu: RealQemu) -> Report:
        """Start it from nothing and wait until it has done some work."""
        qemu.start()
        return self.let_work(qemu, None)

    def let_work(self, qemu: RealQemu, since: Report | None, ticks: int = WORK) -> Report:
        """Wait while the guest runs until each timer has ticked so often more than in ``since``."""
        start = since.ticks if since else (0,)
        last = time.monotonic() + PATIENCE
        while True:
            found = Report.decode(qemu.memory(ADDRESS, SIZE))
            assert not found.errors, found.trouble
            if found.ready and all(now - then >= ticks for then, now in zip(start, found.ticks, strict=False)):
                return found
            assert time.monotonic() < last, f"the guest stands still: {found}"
            time.sleep(0.02)

    def look(self, qemu: RealQemu) -> Report:
        """The report and the pages of a QEMU that stands still."""
        report = read_report(qemu.memory)
        check_pages(report, qemu.memory)
        return report

    def judge(self, qemu: RealQemu, disk: Path | None = None) -> Report:
        """Look at a QEMU that stands still: its report, its pages and its disk."""
        report = self.look(qemu)
        if self.machine.has_disk:
            check_disk(report, disk or self.disk)
        return report

    def goes_on(self, qemu: RealQemu, before: Report, serial: Path | None = None, disk: Path | None = None) -> Report:
        """Loaded and standing still, the guest is where it was; let go, it counts on, and all is right again.

        ``serial`` holds what was written since; ``before`` is the report at the saving.
        """
        loaded = self.judge(qemu, disk)
        assert loaded == before
        qemu.qmp("cont")
        self.let_work(qemu, before)
        qemu.qmp("stop")
        after = self.judge(qemu, disk)
        check_counts_on(before, after)
        text = (serial or self.serial).read_bytes()
        check_serial(after, text, first_octet(before, text) if serial else 0)
        return after


def first_octet(before: Report, text: bytes) -> int:
    """At which octet ``text`` goes on: as ``before`` says, or one later where that was out but not counted yet."""
    first = before.octets
    return first if serial_text(first + len(text))[first:] == text else first + 1
