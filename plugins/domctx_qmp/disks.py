"""The disks of a live QEMU: noted, or given overlays, while the guest stands.

The saving side makes one ``DiskKeeper`` when the guest has stopped, calls ``before_migration`` before ``migrate``, and
``after_migration`` when that is completed and before ``cont``. What it returns is the state DISKS; None where the
machine has no disk that it can write to, or none is wanted. ``wanted`` tells beforehand whether there will be a state.

QEMU aborts when the header of an image is changed that migration has let go of (tried on 7.2: an assertion in
``bdrv_co_write_req_prepare``), so overlays are made before.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from domctx.errors import DomainError
from domctx_disks import Disk, DiskFile, DisksContext, StoredDisks
from domctx_qmp.options import NONE, OVERLAY

if TYPE_CHECKING:
    from domctx_qmp.monitor import Monitor

JSON_NAME: Final = "json:"
"""How QEMU names an image that no file name alone describes."""
FILE_NAME: Final = "file:"
MAX_CHAIN: Final = 200
"""Files of one disk."""
DEPTH: Final = 16
"""Nodes between a disk's format and its file."""
TOKEN: Final = 4
"""Octets of chance in the name of an overlay."""


@attrs.frozen
class LiveDisk:
    """A writable disk as QEMU has it now.

    ``name`` is that of the drive, or the path of its device; ``node`` the name of its block node; ``files`` the names
    of its own file and of those that it is based on, absolute where they are files.
    """

    name: str
    node: str
    format: str
    files: tuple[str, ...]


def live_disks(monitor: Monitor) -> list[LiveDisk]:
    """The disks that the guest may write to. Raises DomainError where QEMU does not tell."""
    folder = working_folder(monitor.pid)
    found: dict[str, LiveDisk] = {}
    for row in monitor.execute("query-block"):
        inserted = row.get("inserted")
        if inserted is None or inserted.get("ro"):
            continue
        name = row.get("device") or row.get("qdev") or inserted["node-name"]
        files = tuple(_absolute(file, folder) for file in _chain(inserted.get("image", {})))
        found[name] = LiveDisk(name, inserted["node-name"], inserted["drv"], files or (inserted["file"],))
    return list(found.values())


def working_folder(pid: int) -> Path | None:
    """The folder from which a process counts its relative names; None where nobody tells (``pid`` 0: not known)."""
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return None


def _chain(image: Mapping[str, Any]) -> Iterator[str]:
    """The names of an image and of those that it is based on."""
    for _ in range(MAX_CHAIN):
        name = image.get("filename")
        if name:
            yield plain_name(name)
        if "backing-image" not in image:
            return
        image = image["backing-image"]


def plain_name(name: str) -> str:
    """The file's name in a name that QEMU gives: ``json:`` tells of the nodes above it; other names are as they are."""
    if name.startswith(FILE_NAME):
        return name.removeprefix(FILE_NAME)
    if not name.startswith(JSON_NAME):
        return name
    try:
        node = json.loads(name.removeprefix(JSON_NAME))
    except ValueError:
        return name
    for _ in range(DEPTH):
        if not isinstance(node, dict):
            return name
        if isinstance(node.get("filename"), str):
            return str(node["filename"])
        node = node.get("file")
    return name


def is_file_name(name: str) -> bool:
    """Whether a name is that of a file, as QEMU reads names: no protocol stands before it."""
    colon = name.find(":")
    return colon < 0 or "/" in name[:colon]


def _absolute(name: str, folder: Path | None) -> str:
    if folder is None or not is_file_name(name):
        return name
    return str(folder / name)


def told(name: str) -> DiskFile:
    """A file with its size and time; without them where it is none, or cannot be looked at."""
    if not os.path.isabs(name):
        return DiskFile(name)
    try:
        status = os.stat(name)
    except OSError:
        return DiskFile(name)
    if not Path(name).is_file():
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

    @property
    def wanted(self) -> bool:
        """Whether ``after_migration`` will return a state."""
        return bool(self._disks)

    def before_migration(self) -> None:
        """Make the overlays, all or none. Raises DomainError where QEMU refuses, naming the disk where it is one's."""
        if self._overlays and self._disks:
            self._make(list(self._disks))

    def after_migration(self) -> StoredDisks | None:
        """Note the disks: files, sizes, times. What they mean for the image is told."""
        if not self._disks:
            return None
        disks = tuple(
            Disk(disk.name, disk.format, tuple(map(told, disk.files)), self._made.get(disk.name))
            for disk in self._disks
        )
        for disk in disks:
            for file in disk.files:
                if file.mtime is None:
                    self._note(f"disk {disk.name}: nothing tells when {file.path} changes; loading does not see it")
        moved_on = self._moves_on and not self._made
        if moved_on:
            self._note(
                f"the guest goes on and writes to its disks ({_names(disks)}): the image is good only with a copy of"
                " them as they were now; --disks overlay keeps them, --then stop and --then quit leave them alone"
            )
        return StoredDisks(DisksContext(disks, moved_on))

    def _make(self, disks: Sequence[LiveDisk]) -> None:
        """One transaction: every disk gets its overlay, or none does."""
        planned = [(disk, overlay_of(disk)) for disk in disks]
        actions = [_action(disk, path, node) for disk, path, node in _with_nodes(planned)]
        self._monitor.execute("transaction", {"actions": actions})
        for disk, path, node in _with_nodes(planned):
            base = {"device": node, "image-node-name": node, "backing-file": disk.files[0]}
            self._monitor.execute("change-backing-file", base)
            self._made[disk.name] = path
            self._note(f"disk {disk.name}: the guest writes to {path} now; {disk.files[0]} must not change any more")


def _with_nodes(planned: Sequence[tuple[LiveDisk, str]]) -> Iterator[tuple[LiveDisk, str, str]]:
    for disk, path in planned:
        yield disk, path, "domctx-" + path.rsplit(".", 2)[1]


def _action(disk: LiveDisk, path: str, node: str) -> dict[str, Any]:
    data = {"node-name": disk.node, "snapshot-file": path, "snapshot-node-name": node, "format": "qcow2"}
    return {"type": "blockdev-snapshot-sync", "data": data}


def overlay_of(disk: LiveDisk) -> str:
    """A name for the overlay of a disk, beside its file; no such file exists. Raises DomainError for no file."""
    if not os.path.isabs(disk.files[0]) or not is_file_name(disk.files[0]):
        raise DomainError(
            f"disk {disk.name} is no file, and gets no overlay", got=disk.files[0][:200], hint="use --disks note"
        )
    path = Path(disk.files[0])
    while True:
        found = path.with_name(f"{path.stem[:100]}.{secrets.token_hex(TOKEN)}.qcow2")
        if not os.path.lexists(found):
            return str(found)


def _names(disks: Sequence[Disk]) -> str:
    return ", ".join(disk.name for disk in disks)
