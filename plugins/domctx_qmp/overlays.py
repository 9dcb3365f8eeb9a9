"""An overlay for each disk of a machine that stands: the guest writes there, and the disk stays as it is.

Each is made as an empty qcow2 image that is based on the disk by its absolute name and its format; then all are put in
place at once. (``blockdev-snapshot-sync`` would base it on the name by which QEMU opened the disk, which counts from
another folder, and ``change-backing-file`` notes the overlay's own format for the base's: tried on 7.2.)
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from domctx.errors import DomainError, DomctxError
from domctx.values import frozen
from domctx_qmp.live_disks import LiveDisk

if TYPE_CHECKING:
    from domctx_qmp.monitor import Monitor

FORMATS: Final = ("qcow2", "raw", "qed", "vdi", "vhdx", "vmdk", "vpc")
"""What an overlay can be based on by its name alone."""
TOKEN: Final = 4
"""Octets of chance in the name of an overlay."""
NAME_LIMIT: Final = 100
"""Characters of the disk's name that the name of its overlay shows."""


@frozen
class Overlay:
    """An overlay that is made: its file, and the names of its two block nodes."""

    disk: LiveDisk
    path: str
    node: str

    @property
    def file(self) -> str:
        """The node of the file under the image's."""
        return f"{self.node}-file"


def make_overlays(monitor: Monitor, disks: Sequence[LiveDisk]) -> dict[str, str]:
    """Give every disk an overlay, or none; their files by the disks' names.

    Raises DomainError for a disk that is no file, and where QEMU refuses.
    """
    overlays = [plan(disk) for disk in disks]
    with contextlib.ExitStack() as exits:
        for overlay in overlays:
            exits.callback(_remove, monitor, overlay)
            _create(monitor, overlay)
        actions = [
            {"type": "blockdev-snapshot", "data": {"node": overlay.disk.node, "overlay": overlay.node}}
            for overlay in overlays
        ]
        monitor.execute("transaction", {"actions": actions})
        exits.pop_all()
    return {overlay.disk.name: overlay.path for overlay in overlays}


def plan(disk: LiveDisk) -> Overlay:
    """An overlay that does not exist, beside the disk's file. Raises DomainError for a disk that is no plain file."""
    if not (disk.plain and os.path.isabs(disk.files[0]) and disk.format in FORMATS):
        raise DomainError(
            f"disk {disk.name} is no plain file, and gets no overlay",
            got=f"{disk.format}, {disk.files[0][:200]}",
            hint="use --disks note, or --disks none",
        )
    import secrets  # comes with what signs messages, and most saves make no overlays

    folder, name = os.path.split(disk.files[0])
    stem = os.path.splitext(name)[0][:NAME_LIMIT]
    while True:
        token = secrets.token_hex(TOKEN)
        found = os.path.join(folder, f"{stem}.{token}.qcow2")
        if not os.path.lexists(found):
            return Overlay(disk, found, f"domctx-{token}")


def _create(monitor: Monitor, overlay: Overlay) -> None:
    disk = overlay.disk
    _run_job(monitor, f"{overlay.node}-create", {"driver": "file", "filename": overlay.path, "size": 0})
    monitor.execute("blockdev-add", {"driver": "file", "node-name": overlay.file, "filename": overlay.path})
    image = {"driver": "qcow2", "file": overlay.file, "size": disk.size}
    _run_job(monitor, f"{overlay.node}-format", {**image, "backing-file": disk.files[0], "backing-fmt": disk.format})
    node = {"driver": "qcow2", "node-name": overlay.node, "file": overlay.file, "backing": None}
    monitor.execute("blockdev-add", node)


def _run_job(monitor: Monitor, name: str, options: dict[str, Any]) -> None:
    """Run a job that makes an image, to its end. Raises DomainError with QEMU's words where it fails."""
    monitor.execute("blockdev-create", {"job-id": name, "options": options})
    error = monitor.wait_for("the end of a job", lambda: next(_ended(monitor, name), None))
    monitor.execute("job-dismiss", {"id": name})
    if error:
        raise DomainError("QEMU cannot make an overlay", file=monitor.name, got=error)


def _ended(monitor: Monitor, name: str) -> Iterator[str]:
    """The error, or "", of a job that has ended."""
    for job in monitor.execute("query-jobs"):
        if job["id"] == name and job["status"] == "concluded":
            yield job.get("error", "")


def _remove(monitor: Monitor, overlay: Overlay) -> None:
    """Take an overlay away that is not in use, as far as it was made."""
    for node in (overlay.node, overlay.file):
        with contextlib.suppress(DomctxError):
            monitor.execute("blockdev-del", {"node-name": node})
    with contextlib.suppress(OSError):
        os.unlink(overlay.path)
