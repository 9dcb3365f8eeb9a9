"""``domctx show FILE [TYPE[:INSTANCE]]``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs
import click

from domctx.api import Domain
from domctx.cli import options
from domctx.cli.session import Session
from domctx.context import Operation
from domctx.disk import refused
from domctx.errors import UsageError
from domctx.image import open_image
from domctx.image_domain import ImageDomain
from domctx.save import save
from domctx.show import Shown, show, show_derived
from domctx.sinks import FileSink

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
    found: Iterable[Shown] | None = None
    if wanted is not None:
        found = show_derived(domain, session.registry, operation, wanted, instance)
    if found is None:
        found = show(as_image(session, domain, operation, wanted), wanted, instance)
    records = (attrs.asdict(shown, recurse=not as_json) for shown in found)
    if as_json:
        session.print_json({"file": file, "records": list(records)})
        return
    for shown in records:
        head = f"{shown['type']}[{shown['instance']}]  type 0x{shown['code']:08x}"
        place = "derived from other records" if shown["offset"] is None else f"offset 0x{shown['offset']:x}"
        session.echo(f"{head}  {place}  {shown['length']:,} octets")
        for line in lines(shown["value"], "  "):
            session.echo(line)


def _wanted(text: str | None) -> tuple[str | None, int | None]:
    """TYPE and INSTANCE of ``TYPE[:INSTANCE]``."""
    if text is None:
        return None, None
    name, colon, number = text.partition(":")
    try:
        return name, int(number, 0) if colon else None
    except ValueError:
        raise UsageError(f"{number!r} is not an instance", hint="write TYPE:NUMBER, for instance CPU:0") from None


def as_image(session: Session, domain: Domain, operation: Operation, wanted: str | None = None) -> ImageDomain:
    """The domain itself where it is an image; else an image of it, saved to a file that has no name.

    Where one type is ``wanted`` and the domain has its state, of that state alone.
    """
    if isinstance(domain, ImageDomain):
        return domain
    import tempfile  # an image needs none

    try:
        drop = _others(session, domain, wanted)
        note = None if drop else operation.note  # nobody has to be told what was left out
        with tempfile.NamedTemporaryFile() as file, Operation(operation.given, note=note) as saving:
            sink = FileSink(file.fileno(), file.name)
            save(domain, sink, session.registry, saving, drop=drop)
            sink.close()
            image = open_image(file.name)
    except OSError as error:
        raise refused(error, tempfile.gettempdir()) from error
    session.on_exit(image.close)
    return ImageDomain(image, session.registry, operation)


def _others(session: Session, domain: Domain, wanted: str | None) -> list[str]:
    """The states of a domain that are not those of a type; none where it has no such state."""
    bound = session.registry.named(wanted) if wanted is not None else None
    owned = domain.owned_states()
    if bound is None or bound.type.state not in owned:
        return []
    return [key.name for key in owned if key != bound.type.state]


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
