"""``domctx types``: record types listed, their layouts as C or tables, and what a change to them breaks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import click

from domctx.api import RecordType
from domctx.cli import options
from domctx.cli.session import Session
from domctx.errors import UsageError
from domctx.publish import publish, refused
from domctx.registry import BoundType

LARGEST: Final = 64 << 20
"""Octets of a baseline that is read."""


@click.command("types")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--c", "as_c", is_flag=True, help="print the layouts as a C header")
@click.option("--table", is_flag=True, help="print the layouts as tables in Markdown")
@click.option("--baseline", metavar="FILE", help="write what the types look like now")
@click.option("--check", metavar="FILE", help="say what breaks since FILE was written (exit code 1)")
@options.force
@options.as_json
@click.pass_obj
def command(
    session: Session,
    names: tuple[str, ...],
    as_c: bool,
    table: bool,
    baseline: str | None,
    check: str | None,
    force: bool,
    as_json: bool,
) -> int:
    """List the record types, or those of NAME: code, name, version, instances, plugin, and what they hold."""
    if (as_c, table, baseline is not None, check is not None).count(True) > 1:
        raise click.UsageError("--c, --table, --baseline and --check do not go together")
    if check is not None:
        return _check(session, check, names, as_json)
    chosen = _chosen(session, names)
    if baseline is not None:
        _write_baseline(session, baseline, chosen, force=force)
    elif as_c:
        _print_c(session, chosen, named=bool(names))
    elif table:
        _print_tables(session, chosen, named=bool(names))
    elif as_json:
        session.print_json({"types": [_describe(bound) for bound in chosen]})
    else:
        for bound in chosen:
            session.echo(_line(bound))
    return 0


def _chosen(session: Session, names: Sequence[str]) -> list[BoundType]:
    """The record types of these names, all where there are none, by code. Raises UsageError for an unknown name."""
    found = {name: session.registry.named(name) for name in names}
    for name, bound in found.items():
        if bound is None:
            known = ", ".join(bound.type.name for bound in session.registry.types.values())
            raise UsageError(f"there is no record type {name!r}", hint=f"known: {known}")
    chosen = [bound for bound in found.values() if bound is not None] if names else session.registry.types.values()
    return sorted(chosen, key=lambda bound: bound.type.code)


def _describe(bound: BoundType) -> dict[str, Any]:
    kind = bound.type
    return {
        "code": kind.code,
        "name": kind.name,
        "summary": kind.summary,
        "version": kind.version,
        "readable_since": kind.readable_since,
        "oldest": kind.oldest,
        "instances": kind.instances.value,
        "state": kind.state.name,
        "max_body": kind.max_body,
        "plugin": bound.plugin.name,
    }


def _line(bound: BoundType) -> str:
    kind = bound.type
    return (
        f"0x{kind.code:08x}  {kind.name:20} {'v' + str(kind.version):4} {kind.instances.value:7} "
        f"{bound.plugin.name:24} {kind.summary}"
    )


def _with_layout(chosen: Sequence[BoundType], *, named: bool) -> Iterator[tuple[RecordType, type[Any]]]:
    """Those that declare a body, with it. Raises UsageError where one that was asked for by name does not."""
    for bound in chosen:
        body = bound.layout
        if body is not None:
            yield bound.type, body
        elif named:
            raise UsageError(f"{bound.type.name} declares no layout: its handlers do it all")


def _print_c(session: Session, chosen: Sequence[BoundType], *, named: bool) -> None:
    """A header for each namespace: names of structs begin with it."""
    from domctx.schema import c_header

    bodies: dict[str, list[Any]] = {}
    for kind, body in _with_layout(chosen, named=named):
        namespace = kind.name.rpartition("/")[0] or "domctx"
        bodies.setdefault(re.sub(r"\W", "_", namespace), []).append(body)
    for namespace, classes in bodies.items():
        try:
            text = c_header(classes, prefix=namespace)
        except TypeError as error:
            raise UsageError(str(error), hint="print the types one by one: domctx types NAME --c") from error
        _print_lines(session, text)


def _print_tables(session: Session, chosen: Sequence[BoundType], *, named: bool) -> None:
    """A table for each type, and for each struct in one of them."""
    from domctx.schema import nested_layouts, table

    for kind, body in _with_layout(chosen, named=named):
        head = f"## {kind.name} (0x{kind.code:08x}, version {kind.version})\n\n{kind.summary}"
        _print_lines(session, f"{head}\n\n{table(body)}")
        *structs, _ = nested_layouts([body])
        for struct in structs:
            _print_lines(session, f"### {struct.__name__}\n\n{table(struct)}")


def _print_lines(session: Session, text: str) -> None:
    for line in text.split("\n"):
        session.echo(line)


def _with_their_layouts(chosen: Iterable[BoundType]) -> list[RecordType]:
    """The record types, once their layouts are imported. Raises PluginError where one is missing."""
    found = []
    for bound in chosen:
        _ = bound.layout
        found.append(bound.type)
    return found


def _write_baseline(session: Session, path: str, chosen: Sequence[BoundType], *, force: bool) -> None:
    """Write the baseline. Raises PluginError while a plugin is broken: its types would be missing."""
    from domctx.baseline import baseline

    session.registry.manager.refuse_broken()
    text = json.dumps(baseline(_with_their_layouts(chosen)), indent=1)
    with publish(path, force=force) as file:
        file.write(f"{text}\n".encode())


def _check(session: Session, path: str, names: Sequence[str], as_json: bool) -> int:
    """Print what breaks; of the types of ``names`` only where they are given."""
    from domctx.baseline import breaks

    session.registry.manager.refuse_broken()
    old = _read(path)
    try:
        found = breaks(old, _with_their_layouts(session.registry.types.values()))
    except UsageError as error:
        raise error.at(file=path) from error.__cause__
    wanted = {name.lower() for name in names}
    found = [each for each in found if not wanted or each.record.lower() in wanted]
    if as_json:
        rows = [{"record": each.record, "message": each.message} for each in found]
        session.print_json({"file": path, "breaks": rows})
    else:
        for each in found:
            session.echo(str(each))
    return 1 if found else 0


def _read(path: str) -> Any:
    """The JSON value in a file. Raises UsageError where it is none."""
    try:
        with open(path, "rb") as file:
            octets = file.read(LARGEST + 1)
    except OSError as error:
        raise refused(error, path) from error
    if len(octets) > LARGEST:
        raise UsageError("is no baseline: too large", file=path, expected=f"at most 0x{LARGEST:x} octets")
    try:
        return json.loads(octets)
    except (ValueError, RecursionError) as error:
        raise UsageError("is no baseline: not JSON", file=path, got=f"{type(error).__name__}: {error}") from error
