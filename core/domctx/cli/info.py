"""``domctx info FILE``: from the head and the tail of a file only; for our own images no plugin is loaded."""

from __future__ import annotations

import collections
import contextlib
import os
from typing import TYPE_CHECKING, Any

import attrs
import click

from domctx.cli import options
from domctx.cli.session import Session
from domctx.image import Image, open_image
from domctx.wire import CORE_CODES, OPTIONAL, START_BODY, TYPE_START, pack_header

if TYPE_CHECKING:
    from domctx.api import JSON, Machine

MAGIC = pack_header(TYPE_START, 0, START_BODY.size)


@click.command("info")
@click.argument("file")
@options.given
@options.allow_newer
@options.as_json
@click.pass_obj
def command(session: Session, file: str, given: tuple[str, ...], allow_newer: bool, as_json: bool) -> None:
    """Say what FILE holds: machine, record types, sizes, who wrote it. Reads its head and tail only."""
    path = file.removeprefix("dctx:")
    if not given and path != "-" and _is_image(path):
        value = _describe_file(path, allow_newer=allow_newer)
    else:
        value = _describe_foreign(session, file, given, allow_newer)
    if as_json:
        session.print_json(value)
    else:
        for line in lines(value):
            session.echo(line)


def _is_image(path: str) -> bool:
    with contextlib.suppress(OSError):  # the ordinary road opens it again, and says why it cannot
        if os.path.isfile(path):  # who opens a pipe waits for one that writes
            with open(path, "rb") as file:
                return file.read(len(MAGIC)) == MAGIC
    return False


def _describe_file(path: str, *, allow_newer: bool) -> dict[str, Any]:
    image = open_image(path, allow_newer=allow_newer)
    try:
        return describe_image(image)
    finally:
        image.close()


def describe_image(image: Image) -> dict[str, Any]:
    """What an image's MANIFEST and DIRECTORY tell, as a JSON value."""
    manifest, directory = image.manifest, image.directory
    value: dict[str, Any] = {"file": image.file.name, "format": "dctx" if manifest else "dctx (plain v10)"}
    value["octets"] = image.file.size
    if manifest is not None and directory is not None:
        value |= {
            "format_version": list(manifest.format_version),
            "producer": manifest.producer,
            "time": manifest.time,
            "requires": list(manifest.requires),
            "digest": directory.image_digest.hex(),
            "machine": describe_machine(manifest.machine),
        }
    value["records"] = _records(image)
    return value


def _records(image: Image) -> list[JSON]:
    counts: collections.Counter[int] = collections.Counter()
    octets: collections.Counter[int] = collections.Counter()
    for group in image.groups:
        counts[group.type & ~OPTIONAL] += group.records
        octets[group.type & ~OPTIONAL] += group.length
    rows = []
    for code, records in sorted(counts.items()):
        use = image.manifest.use_of(code) if image.manifest else None
        row: dict[str, Any] = {"code": code, "name": use.name if use else CORE_CODES.get(code), "records": records}
        row["octets"] = octets[code]
        if use is not None:
            row |= {"version": use.version, "distribution": f"{use.distribution} {use.distribution_version}"}
            row["transforms"] = list(use.transforms)
        rows.append(row)
    return rows


def describe_machine(machine: Machine) -> dict[str, Any]:
    """A machine's description as a JSON value; sizes in octets."""
    value = attrs.asdict(machine)
    value["memory"] = sum(block.size for block in machine.blocks)
    return value


def _describe_foreign(session: Session, file: str, given: tuple[str, ...], allow_newer: bool) -> dict[str, Any]:
    operation = session.operation(given, allow_newer=allow_newer)
    reference = session.seekable(session.reference(file))
    format_ = session.format_of(reference)
    session.check_options(given, [format_])
    if format_.scheme == "dctx":
        return _describe_file(reference.location, allow_newer=allow_newer)
    domain = session.open_as(format_, reference, operation)
    return {
        "file": file,
        "format": format_.scheme,
        "machine": describe_machine(domain.machine),
        "populated": getattr(domain, "populated", None),
        "states": [key.name for key in domain.owned_states()],
        "notes": operation.notes,
    }


def lines(value: dict[str, Any], indent: str = "") -> list[str]:
    """A JSON value as lines for people."""
    found = []
    for key, item in value.items():
        if isinstance(item, dict):
            found += [f"{indent}{key}:", *lines(item, indent + "  ")]
        elif isinstance(item, list | tuple) and item and isinstance(item[0], dict):
            found.append(f"{indent}{key}:")
            found += [f"{indent}  {_row(row)}" for row in item]
        elif item not in (None, [], ()):
            found.append(f"{indent}{key + ':':16} {_text(item)}")
    return found


def _row(row: dict[str, Any]) -> str:
    return "  ".join(f"{key} {_text(item)}" for key, item in row.items() if item not in (None, [], ()))


def _text(item: Any) -> str:
    if isinstance(item, list | tuple):
        return ", ".join(_text(part) for part in item)
    if isinstance(item, dict):
        return "(" + _row(item) + ")"
    return f"{item:,}" if isinstance(item, int) and not isinstance(item, bool) else str(item)
