"""``domctx convert IN OUT``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import click

from domctx.api import Domain, Format, FormatContext, Sink
from domctx.cli import options
from domctx.cli.save import write_image
from domctx.cli.session import Session
from domctx.context import Operation, paused
from domctx.convert import into_target
from domctx.errors import UsageError
from domctx.handlers import guard
from domctx.plan import check_drop, leave_carried
from domctx.publish import publish, refuse_existing
from domctx.references import IMAGE, Reference
from domctx.save import tell_saved
from domctx.sinks import FileSink, HoleSink

Write = Callable[[Domain, Sink, FormatContext], None]


@click.command("convert")
@click.argument("source", metavar="IN")
@click.argument("goal", metavar="OUT")
@options.given
@options.drop
@options.force
@options.allow_newer
@click.pass_obj
def command(
    session: Session,
    source: str,
    goal: str,
    given: tuple[str, ...],
    drop: tuple[str, ...],
    force: bool,
    allow_newer: bool,
) -> None:
    """Convert IN, whatever its format, to OUT: an image, [scheme:]FILE of another format, or a machine."""
    operation = session.operation(given, force=force, allow_newer=allow_newer)
    out = session.reference(goal)
    out_format = session.registry.formats[out.scheme or IMAGE][0]
    session.registry.manager.refuse_broken()
    reference = session.seekable(session.reference(source))
    in_format = session.format_of(reference)
    session.check_options(given, [in_format], [out_format], saving=out_format.scheme == IMAGE)
    if out_format.write is not None or out_format.scheme == IMAGE:
        _refuse_existing(out, force=force)
    if drop and out_format.write is not None and out_format.scheme != IMAGE:
        raise UsageError(f"--drop goes with an image or a machine, {out_format.scheme}: is written whole")
    domain = session.open_as(in_format, reference, operation)
    check_drop(drop, session.registry, domain)
    if out_format.scheme == IMAGE:
        write_image(session, domain, out.location, operation, drop=drop)
        return
    if out_format.write is not None:
        leave_carried(domain, operation)
        _write(session, domain, out_format, out_format.write, out, operation)
    else:
        target = session.create(out, operation)
        with session.progress_of(operation, "convert", sum(block.size for block in domain.machine.blocks)):
            into_target(domain, target, session.registry, operation, drop=drop)
    tell_saved(domain)


def _refuse_existing(out: Reference, *, force: bool) -> None:
    if not out.is_stream:
        refuse_existing(Path(out.location), force=force)


def _write(
    session: Session, domain: Domain, format_: Format, write: Write, out: Reference, operation: Operation
) -> None:
    """Let a format pull the domain into a file, or into standard output."""
    with session.progress_of(operation, "convert", sum(block.size for block in domain.machine.blocks)):
        if out.is_stream:
            _pull(session, domain, format_, write, FileSink(session.stdout(), "standard output"), operation)
            return
        with publish(out.location, force=operation.force) as file:
            _pull(session, domain, format_, write, HoleSink(file.fileno(), out.location), operation)


def _pull(
    session: Session, domain: Domain, format_: Format, write: Write, sink: FileSink, operation: Operation
) -> None:
    """Let a format pull the paused domain into ``sink``, whose end follows when the domain is given back."""
    suspects = session.registry.suspects(format_)
    context = session.context(format_, operation)
    attached = session.registry.attach(domain)
    whole = cast("Domain", attached)
    with paused(domain):
        owned = session.registry.attach(domain).owned()
        guard(lambda: write(whole, sink, context), suspects)
        left = [key for key in owned if key not in attached.asked]
        partly = ", ".join(key.name for key in left if key in attached.derived_from)
        none = ", ".join(key.name for key in left if key not in attached.derived_from)
        if partly:
            operation.note(f"{format_.scheme}: has a place for a part of these states only: {partly}")
        if none:
            operation.note(f"{format_.scheme}: has no place for these states, they are left out: {none}")
    sink.close()
