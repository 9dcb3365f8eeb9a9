"""Whether a QEMU that is loaded has the disks that the state belongs to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from domctx.errors import DomainError, DomctxError
from domctx_disks import Disk, DiskFile, DisksContext, StoredDisks
from domctx_disks.compare import date
from domctx_qmp.disks import told
from domctx_qmp.live_disks import LiveDisk, live_disks

if TYPE_CHECKING:
    from domctx_qmp.monitor import Monitor


class CheckedDisks(StoredDisks):
    """DISKS of a QEMU that is loaded: what is stored is compared with its disks at once."""

    def __init__(
        self,
        live: Callable[[], Monitor],
        note: Callable[[str], None],
        *,
        force: bool,
        repeated: bool = False,
        why: Callable[[DomctxError], DomctxError] = lambda error: error,
    ) -> None:
        """``repeated`` tells that nobody chose the disks: the command line that names them was repeated.

        ``why`` makes of an error, where QEMU does not answer, the one that tells the reason.
        """
        super().__init__()
        self._live, self._note, self._force, self._repeated, self._why = live, note, force, repeated, why

    def store(self, context: DisksContext) -> None:
        """Raises DomainError, naming it, for a disk that is not as it was at the save, unless that is forced."""
        super().store(context)
        monitor = self._live()
        try:
            with monitor.understood():
                live = live_disks(monitor)
        except DomctxError as error:
            raise self._why(error) from error
        for disk in context.disks:
            found = _counterpart(disk, live)
            if found is None:
                self._note(f"disk {disk.name} of the image is none of those that QEMU writes to")
            else:
                self._compare(monitor.name, disk, found)

    def _compare(self, name: str, disk: Disk, found: LiveDisk) -> None:
        own, used = disk.files[0].path, found.files[0]
        changed = next(_changed(disk, found), None)
        other = not _same(own, used)
        based = other and any(_same(file.path, used) for file in disk.files[1:])
        if not self._force:
            if changed is not None:
                raise _refused(name, disk, *changed)
            if based:
                raise _too_low(name, disk, used)
            if self._repeated and other and _is_there(disk.files[0]):
                raise _left_behind(name, disk, used)
        if changed is not None:
            self._note(f"disk {disk.name}: {changed[0].path} changed since the save, and is used all the same")
        elif based:
            self._note(f"disk {disk.name}: {used} lacks what {own} has over it, and is used all the same")
        elif not any(_same(own, file) for file in found.files):
            self._note(
                f"disk {disk.name} is {used}, and was {own}: nothing tells whether it is as it was when the machine"
                " was saved"
            )
        elif disk.overlay is not None and not other and os.path.lexists(disk.overlay.path):
            self._compare_overlay(name, disk.name, own, disk.overlay)

    def _compare_overlay(self, name: str, disk: str, own: str, overlay: DiskFile) -> None:
        """Of a disk that is written to, and whose overlay is still there."""
        if told(overlay.path) != overlay and not self._force:
            raise DomainError(
                f"disk {disk}: {overlay.path} holds what the machine wrote since the save, and is based on {own}",
                file=name,
                hint="start QEMU over a new overlay, or delete that one; --force-disks loads all the same and ruins it",
            )
        self._note(
            f"disk {disk}: the guest writes to {own}; {overlay.path} is based on that, and worth nothing from now on"
        )


def _counterpart(disk: Disk, live: list[LiveDisk]) -> LiveDisk | None:
    """The disk that QEMU has in its place: of its name, else with one of its files."""
    for found in live:
        if found.name == disk.name:
            return found
    own = disk.files[0].path
    return next((found for found in live if any(_same(own, name) for name in found.files)), None)


def _changed(disk: Disk, live: LiveDisk) -> Iterator[tuple[DiskFile, DiskFile]]:
    """The files of a disk that QEMU uses and that are not as noted: what was noted, and what is there."""
    noted = [*disk.files, *([disk.overlay] if disk.overlay is not None else [])]
    for file in noted:
        if file.mtime is not None and any(_same(file.path, name) for name in live.files):
            now = told(file.path)
            if (now.size, now.mtime) != (file.size, file.mtime):
                yield file, now


def _same(a: str, b: str) -> bool:
    """Whether two names are of one file."""
    try:
        return a == b or os.path.samefile(a, b)
    except OSError:
        return False


def _refused(name: str, disk: Disk, was: DiskFile, now: DiskFile) -> DomainError:
    return DomainError(
        f"disk {disk.name} changed since the save: its {was.path} is not what the machine's state belongs to",
        file=name,
        expected=_stamp(was),
        got=_stamp(now),
        hint="load over a copy of that time; --force-disks loads all the same, and may ruin its file systems",
    )


def _too_low(name: str, disk: Disk, used: str) -> DomainError:
    return DomainError(
        f"disk {disk.name} lacks what the machine wrote: its file is only what the saved one is based on",
        file=name,
        expected=disk.files[0].path,
        got=used,
        hint="start QEMU over the saved one, and -incoming defer; --force-disks loads all the same, and may ruin its"
        " file systems, and what is based on them",
    )


def _is_there(file: DiskFile) -> bool:
    """Whether a file that was noted is there, and as it was."""
    return file.mtime is not None and told(file.path) == file


def _left_behind(name: str, disk: Disk, used: str) -> DomainError:
    return DomainError(
        f"disk {disk.name} is another file than the machine had: its own is there",
        file=name,
        expected=disk.files[0].path,
        got=used,
        hint="the machine was given it after its start: start QEMU over it, and -incoming defer; --force-disks loads"
        " all the same, over the other one",
    )


def _stamp(file: DiskFile) -> str:
    if file.mtime is None:
        return "no file"
    return f"0x{file.size:x} octets of {date(file.mtime)} and {file.mtime % 10**9:09} ns"
