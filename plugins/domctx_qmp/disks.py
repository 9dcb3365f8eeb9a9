"""The disks of a live QEMU: noted, or given overlays, while the guest stands.

The saving side makes one ``DiskKeeper`` when the guest has stopped, calls ``before_migration`` before ``migrate``, and
``after_migration`` when that is completed and before ``cont``. What it returns is the state DISKS; None where the
machine has no disk that it can write to, or none is wanted. ``wanted`` tells beforehand whether there will be a state.

QEMU aborts when the header of an image is changed that migration has let go of (tried on 7.2: an assertion in
``bdrv_co_write_req_prepare``), so overlays are made before; how stands in ``overlays.py``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from domctx.errors import DomainError
from domctx_disks import Disk, DiskFile, DisksContext, StoredDisks
from domctx_qmp.host import nameless_files
from domctx_qmp.live_disks import LiveDisk, live_disks
from domctx_qmp.options import NONE, OVERLAY
from domctx_qmp.overlays import make_overlays

if TYPE_CHECKING:
    from domctx_qmp.monitor import Monitor


def told(name: str) -> DiskFile:
    """A file with its size and time; without them where it is none, or cannot be looked at."""
    if not os.path.isabs(name):
        return DiskFile(name)
    try:
        status = os.stat(name)
    except OSError:
        return DiskFile(name)
    if not stat.S_ISREG(status.st_mode):
        return DiskFile(name)
    return DiskFile(name, status.st_size, status.st_mtime_ns)


class DiskKeeper:
    """Notes the disks of a machine that stands, or gives them overlays."""

    def __init__(self, monitor: Monitor, how: str, *, moves_on: bool, note: Callable[[str], None]) -> None:
        """``how`` is a choice of the option ``disks``; ``moves_on`` tells that the guest will run on after the save."""
        self._monitor = monitor
        self._overlays = how == OVERLAY
        self._moves_on, self._note = moves_on, note
        self._made: dict[str, str] = {}
        self._disks = live_disks(monitor) if how != NONE else []
        self._nameless = nameless_files(monitor.pid) if self._disks else set()

    @property
    def wanted(self) -> bool:
        """Whether ``after_migration`` will return a state."""
        return bool(self._disks)

    def refuse_temporary(self, *, ending: bool) -> None:
        """Raise DomainError for a disk that was deleted: QEMU loses it when it ends, and nothing can be based on it."""
        for disk in self._disks if ending or self._overlays else ():
            for file in disk.files:
                if file in self._nameless:
                    raise DomainError(
                        f"disk {disk.name} is temporary, or was deleted: what it holds is lost when QEMU ends",
                        file=self._monitor.name,
                        got=file,
                        hint="mirror it to a disk that stays (drive-mirror), or save with --disks note --then stop",
                    )

    def before_migration(self) -> None:
        """Make the overlays, all or none. Raises DomainError where QEMU refuses, naming the disk where it is one's."""
        if self._overlays and self._disks:
            self._made = make_overlays(self._monitor, self._disks)
        for disk in self._disks if self._made else ():
            made, base = self._made[disk.name], disk.files[0]
            self._note(f"disk {disk.name}: the guest writes to {made} from now on; {base} must not change any more")

    def after_migration(self) -> StoredDisks | None:
        """Note the disks: files, sizes, times. What they mean for the image is told."""
        if not self._disks:
            return None
        disks = tuple(
            Disk(disk.name, disk.format, tuple(map(told, disk.files)), self._overlay_of(disk)) for disk in self._disks
        )
        for disk in disks:
            for file in disk.files:
                if file.path in self._nameless:
                    self._note(f"disk {disk.name}: {file.path} was deleted, and is lost when QEMU ends")
                elif file.mtime is None:
                    self._note(f"disk {disk.name}: nothing tells when {file.path} changes; loading does not see it")
        moved_on = self._moves_on and not self._made
        if moved_on:
            self._note(
                f"the guest goes on and writes to its disks ({_names(disks)}): the image is good only with a copy of"
                " them as they were now; --disks overlay keeps them, --then stop and --then quit leave them alone"
            )
        return StoredDisks(DisksContext(disks, moved_on))

    def _overlay_of(self, disk: LiveDisk) -> DiskFile | None:
        return told(self._made[disk.name]) if disk.name in self._made else None


def _names(disks: tuple[Disk, ...]) -> str:
    return ", ".join(disk.name for disk in disks)
