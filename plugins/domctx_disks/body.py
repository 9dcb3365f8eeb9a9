"""Between the octets of DISKS and ``states.DisksContext``; every part bounded before it is used."""

from __future__ import annotations

from typing import Any, Final

from domctx.errors import RecordError
from domctx_disks.layout import DisksBody
from domctx_disks.states import Disk, DiskFile, DisksContext

MAX_NAME: Final = 256
MAX_PATH: Final = 4096
"""Characters of a path, or of what stands for one."""
MAX_DISKS: Final = 4096
MAX_FILES: Final = 256
"""Files of one disk: its own, and those that it is based on."""
MAX_NUMBER: Final = 1 << 63


def to_body(context: DisksContext) -> DisksBody:
    """The body of a context. Raises RecordError for one that breaks a bound."""
    rows = [
        [
            disk.name,
            disk.format,
            None if disk.overlay is None else _row_of(disk.overlay),
            [_row_of(file) for file in disk.files],
        ]
        for disk in context.disks
    ]
    body = DisksBody({"moved_on": context.moved_on, "disks": rows})
    from_body(body)
    return body


def from_body(body: DisksBody) -> DisksContext:
    """The context that a body holds. Raises RecordError where a part has another shape or is out of bounds."""
    value = body.value
    if type(value) is not dict or set(value) != {"moved_on", "disks"} or type(value["moved_on"]) is not bool:
        raise RecordError("has the wrong keys", expected="disks, moved_on (true or false)", got=repr(value)[:80])
    rows = _list(value["disks"], "disks", MAX_DISKS)
    disks = tuple(_disk(row, f"disks[{index}]") for index, row in enumerate(rows))
    if len({disk.name for disk in disks}) != len(disks):
        raise RecordError("two disks have one name")
    return DisksContext(disks, value["moved_on"])


def _row_of(file: DiskFile) -> list[Any]:
    return [file.path, file.size, file.mtime]


def _disk(row: Any, what: str) -> Disk:
    name, format_, overlay, files = _row(row, 4, what)
    found = [_file(file, f"{what}.files[{index}]") for index, file in enumerate(_list(files, f"{what}.files"))]
    if not found:
        raise RecordError(f"{what} has no file")
    return Disk(
        _text(name, f"{what}.name", MAX_NAME),
        _text(format_, f"{what}.format", MAX_NAME),
        tuple(found),
        None if overlay is None else _file(overlay, f"{what}.overlay"),
    )


def _file(row: Any, what: str) -> DiskFile:
    path, size, mtime = _row(row, 3, what)
    least = -MAX_NUMBER
    return DiskFile(
        _text(path, f"{what}.path", MAX_PATH),
        None if size is None else _number(size, f"{what}.size", 0),
        None if mtime is None else _number(mtime, f"{what}.mtime", least),
    )


def _list(value: Any, what: str, most: int = MAX_FILES) -> list[Any]:
    if type(value) is not list or len(value) > most:
        got = len(value) if type(value) is list else type(value).__name__
        raise RecordError(f"{what} is no list that can be", expected=f"a list of at most {most}", got=got)
    return value


def _row(value: Any, length: int, what: str) -> list[Any]:
    if type(value) is not list or len(value) != length:
        raise RecordError(f"{what} has the wrong shape", expected=f"a list of {length}", got=repr(value)[:80])
    return value


def _text(value: Any, what: str, most: int) -> str:
    if type(value) is not str or not 0 < len(value) <= most or "\0" in value:
        raise RecordError(f"{what} is no text that can be", expected=f"1 .. {most} characters", got=repr(value)[:80])
    return value


def _number(value: Any, what: str, least: int) -> int:
    if type(value) is not int or not least <= value < MAX_NUMBER:
        expected = f"{least} .. {MAX_NUMBER - 1}"
        raise RecordError(f"{what} is no number that can be", expected=expected, got=repr(value)[:80])
    return value
