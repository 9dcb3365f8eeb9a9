"""``domctx save SOURCE IMAGE``."""

from __future__ import annotations

import functools

import click

from domctx.api import Domain, Images
from domctx.cli import options
from domctx.cli.room import check_room
from domctx.cli.session import Session
from domctx.context import Operation
from domctx.plan import check_drop
from domctx.publish import publish, refuse_existing
from domctx.references import IMAGE
from domctx.save import Estimate, dry_run, save, tell_saved
from domctx.sinks import FileSink


@click.command("save")
@click.argument("source")
@click.argument("image", required=False)
@click.option("--plain-xen", is_flag=True, help="a plain domain context v10 image: Xen's own records only")
@click.option("--dry-run", "only_sizes", is_flag=True, help="only say what the image would take")
@options.given
@options.drop
@options.force
@options.allow_newer
@options.as_json
@click.pass_obj
def command(
    session: Session,
    source: str,
    image: str | None,
    plain_xen: bool,
    only_sizes: bool,
    given: tuple[str, ...],
    drop: tuple[str, ...],
    force: bool,
    allow_newer: bool,
    as_json: bool,
) -> None:
    """Save the machine SOURCE to the file IMAGE ("-": standard output); it is given back as it was found."""
    operation = session.operation(given, force=force, allow_newer=allow_newer)
    reference = session.seekable(session.reference(source))
    format_ = session.format_of(reference)
    session.check_options(given, [format_], saving=True)
    images = Images.PLAIN if plain_xen else Images.DOMCTX
    if only_sizes:
        domain = session.open_as(format_, reference, operation)
        check_drop(drop, session.registry, domain)
        _print(session, dry_run(domain, session.registry, operation, images=images, drop=drop, sample=True), as_json)
        return
    if image is None:
        raise click.UsageError("Missing argument 'IMAGE'.")
    goal = session.reference(image)
    if goal.scheme not in (None, IMAGE):
        raise click.UsageError(f"save writes an image; use `domctx convert {source} {image}`")
    if not goal.is_stream:
        refuse_existing(goal.location, force=force)
    domain = session.open_as(format_, reference, operation)
    check_drop(drop, session.registry, domain)
    write_image(session, domain, goal.location, operation, images=images, drop=drop)


def write_image(
    session: Session,
    domain: Domain,
    path: str,
    operation: Operation,
    *,
    images: Images = Images.DOMCTX,
    drop: tuple[str, ...] = (),
) -> None:
    """Save ``domain`` to the file ``path``, which appears whole or not at all, or to standard output ("-")."""
    registry = session.registry
    registry.manager.refuse_broken()
    total = sum(block.size for block in domain.machine.blocks)
    with session.progress_of(operation, "save", total):
        if path == "-":
            sink = FileSink(session.stdout(), "standard output")
            save(domain, sink, registry, operation, images=images, drop=drop)
            sink.close()
            tell_saved(domain)
            return
        with publish(path, force=operation.force) as file:
            sink = FileSink(file.fileno(), path)
            check = functools.partial(check_room, path, operation=operation)
            save(domain, sink, registry, operation, images=images, drop=drop, check=check)
            sink.close()
        tell_saved(domain)


def _print(session: Session, estimates: list[Estimate], as_json: bool) -> None:
    total = sum(row.octets for row in estimates)
    exact, known = all(row.exact for row in estimates), all(row.known for row in estimates)
    if as_json:
        rows = [
            {"record": row.record, "octets": row.octets if row.known else None, "exact": row.exact} for row in estimates
        ]
        session.print_json({"records": rows, "octets": total if known else None, "exact": exact})
        return
    for row in estimates:
        session.echo(_row(row.record, row.octets, "" if row.exact else "at most ") if row.known else _unknown(row))
    bound = "" if exact else "at most "
    session.echo(_row("total", total, bound) + ("" if known else ", and what is not known"))


def _row(name: str, octets: int, bound: str) -> str:
    return f"{name:20} {bound:>8}{octets:>16,} octets"


def _unknown(row: Estimate) -> str:
    return f"{row.record:20} not known before it is saved"
