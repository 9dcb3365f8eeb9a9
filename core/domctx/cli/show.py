"""``domctx show FILE [TYPE[:INSTANCE]]``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs
import click

from domctx.cli import options
from domctx.cli.session import Session
from domctx.errors import UsageError
from domctx.image_domain import ImageDomain
from domctx.show import Shown, show, show_derived, show_states

OCTETS: Final = 64
"""Digits of long hexadecimal text that are shown to people."""


@click.command("show")
@click.argument("file")
@click.argument("record", required=False, metavar="[TYPE[:INSTANCE]]")
@options.given
@options.allow_newer
@options.as_json
@click.pass_obj
def command(
    session: Session, file: str, record: str | None, given: tuple[str, ...], allow_newer: bool, as_json: bool
) -> None:
    """Show the records of FILE field by field: all, those of one TYPE, or one INSTANCE of it."""
    operation = session.operation(given, allow_newer=allow_newer)
    wanted, instance = _wanted(record)
    domain = session.open(file, given, operation)
    derived = None if wanted is None else show_derived(domain, session.registry, operation, wanted, instance)
    found: Iterable[Shown] | None = derived
    if found is None and isinstance(domain, ImageDomain):
        found = show(domain, wanted, instance)
    elif found is None:
        found = show_states(domain, session.registry, operation, wanted, instance)
    records = (attrs.asdict(shown, recurse=not as_json) for shown in found)
    if as_json:
        session.print_json({"file": file, "records": list(records)})
        return
    for shown in records:
        session.echo(_head(shown, derived=derived is not None))
        for line in lines(shown["value"], "  "):
            session.echo(line)


def _head(shown: dict[str, Any], *, derived: bool) -> str:
    """What a record is, where it stands in an image, and how long it is."""
    place = "derived from other records  " if derived else ""
    if shown["offset"] is not None:
        place = f"offset 0x{shown['offset']:x}  "
    return f"{shown['type']}[{shown['instance']}]  type 0x{shown['code']:08x}  {place}{shown['length']:,} octets"


def _wanted(text: str | None) -> tuple[str | None, int | None]:
    """TYPE and INSTANCE of ``TYPE[:INSTANCE]``."""
    if text is None:
        return None, None
    name, colon, number = text.partition(":")
    try:
        return name, int(number, 0) if colon else None
    except ValueError:
        raise UsageError(f"{number!r} is not an instance", hint="write TYPE:NUMBER, for instance CPU:0") from None


def lines(value: Any, indent: str) -> Iterator[str]:
    """A JSON value as indented lines."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _entry(str(key), item, indent)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _entry(f"[{index}]", item, indent)
    elif value is not None:
        yield f"{indent}{_text(value)}"


def _entry(key: str, item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, dict | list) and item:
        yield f"{indent}{key}:"
        yield from lines(item, indent + "  ")
    else:
        yield f"{indent}{key}: {_text(item)}"


def _text(item: Any) -> str:
    """A number as people look for it, in decimal and hexadecimal; long octets cut short."""
    if type(item) is int and item > 9:
        return f"{item} (0x{item:x})"
    if isinstance(item, str) and len(item) > OCTETS and not item.strip("0123456789abcdef"):
        return f"{item[:OCTETS]}... ({len(item) // 2} octets, all of them with --json)"
    return str(item)
