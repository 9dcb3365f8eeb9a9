"""Disks shown, and compared: where they stand and when they changed only tells when a machine was saved."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Final

from domctx.api import JSON, Difference
from domctx.wire import record_name
from domctx_disks.layout import NAME
from domctx_disks.states import Disk, DiskFile, DisksContext

EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def shown(context: DisksContext) -> JSON:
    """The disks as JSON."""
    return {"moved_on": context.moved_on, "disks": [_disk(disk) for disk in context.disks]}


def _disk(disk: Disk) -> JSON:
    files = [_file(file) for file in disk.files]
    return {"name": disk.name, "format": disk.format, "overlay": _overlay(disk), "files": files}


def _overlay(disk: Disk) -> JSON:
    return None if disk.overlay is None else _file(disk.overlay)


def _file(file: DiskFile) -> JSON:
    changed = None if file.mtime is None else date(file.mtime)
    return {"path": file.path, "size": file.size, "mtime": file.mtime, "changed": changed}


def date(nanoseconds: int) -> str:
    """A time since 1970 as a date; so many nanoseconds as a file has are always in the calendar."""
    return (EPOCH + datetime.timedelta(seconds=nanoseconds // 10**9)).isoformat()


def compare(a: DisksContext | None, b: DisksContext | None) -> Iterator[Difference]:
    """A disk that one side lacks, and its format, count; files and times do not, nor that nothing is known."""
    record = record_name(NAME, 0)
    if a is None or b is None:
        if a is not b:
            yield Difference(record, "", "present" if a else None, "present" if b else None, counted=False)
        return
    if a.moved_on != b.moved_on:
        yield Difference(record, "moved_on", a.moved_on, b.moved_on, counted=False)
    left, right = ({disk.name: disk for disk in side.disks} for side in (a, b))
    for name in dict.fromkeys([*left, *right]):
        path = f"disks[{name}]"
        if name not in left or name not in right:
            yield Difference(record, path, "present" if name in left else None, "present" if name in right else None)
        else:
            yield from _compare_disks(record, path, left[name], right[name])


def _compare_disks(record: str, path: str, a: Disk, b: Disk) -> Iterator[Difference]:
    if a.format != b.format:
        yield Difference(record, f"{path}.format", a.format, b.format)
    if a.overlay != b.overlay:
        yield Difference(record, f"{path}.overlay", _overlay(a), _overlay(b), counted=False)
    if a.files != b.files:
        left, right = ([_file(file) for file in disk.files] for disk in (a, b))
        yield Difference(record, f"{path}.files", left, right, counted=False)
