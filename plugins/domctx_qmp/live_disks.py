"""The disks that a live QEMU can write to, and the files that they are."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from domctx.values import frozen

if TYPE_CHECKING:
    from domctx_qmp.monitor import Monitor

JSON_NAME: Final = "json:"
"""How QEMU names an image that no file name alone describes."""
FILE_NAME: Final = "file:"
MAX_CHAIN: Final = 200
"""Files of one disk."""
NAME_LIMIT: Final = 4096
"""Characters of a name that are looked at."""
DEPTH: Final = 16
"""Nodes between a disk's format and its file."""


@frozen
class LiveDisk:
    """A writable disk as QEMU has it now.

    ``name`` is that of the drive, or the path of its device; ``node`` the name of its block node; ``size`` in octets,
    as the guest sees it; ``files`` the names of its own file and of those that it is based on, absolute where they are
    files; ``plain`` tells that name and format alone describe it.
    """

    name: str
    node: str
    format: str
    size: int
    files: tuple[str, ...]
    plain: bool = True


def live_disks(monitor: Monitor) -> list[LiveDisk]:
    """The disks that the guest may write to. Raises DomainError where QEMU does not tell."""
    folder = working_folder(monitor.pid)
    found: dict[str, LiveDisk] = {}
    for row in monitor.execute("query-block"):
        inserted = row.get("inserted")
        if inserted is None or inserted.get("ro"):
            continue
        name = row.get("device") or row.get("qdev") or inserted["node-name"]
        image = inserted["image"]
        files = tuple(_absolute(file, folder) for file in _chain(image))
        plain = is_file_name(files[0]) and describes_all(image["filename"])
        node, format_, size = inserted["node-name"], inserted["drv"], image["virtual-size"]
        found[name] = LiveDisk(name, node, format_, size, files, plain)
    return list(found.values())


def working_folder(pid: int) -> str | None:
    """The folder from which a process counts its relative names; None where nobody tells (``pid`` 0: not known)."""
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return None


def _chain(image: Mapping[str, Any]) -> Iterator[str]:
    """The names of an image and of those that it is based on."""
    for _ in range(MAX_CHAIN):
        yield plain_name(image["filename"])[:NAME_LIMIT]
        data = image.get("format-specific", {}).get("data", {})
        if isinstance(data, dict) and data.get("data-file"):  # of a qcow2 image that holds its clusters elsewhere
            yield plain_name(data["data-file"])[:NAME_LIMIT]
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


def describes_all(name: str) -> bool:
    """Whether a name that QEMU gives tells of nothing but files and formats: no offset, no secret."""
    if not name.startswith(JSON_NAME):
        return True
    node = json.loads(name.removeprefix(JSON_NAME))
    while isinstance(node, dict):
        if not node.keys() <= {"driver", "file", "filename", "backing"}:
            return False
        node = node.get("file")
    return True


def is_file_name(name: str) -> bool:
    """Whether a name is that of a file, as QEMU reads names: no protocol stands before it."""
    colon = name.find(":")
    return colon < 0 or "/" in name[:colon]


def _absolute(name: str, folder: str | None) -> str:
    if folder is None or not is_file_name(name):
        return name
    from pathlib import Path  # leaves out what names nothing, such as ./; takes longer to import than all else here

    return str(Path(folder, name))
