"""``domctx load IMAGE TARGET``."""

from __future__ import annotations

import click

from domctx.api import Source, Target
from domctx.cli import options
from domctx.cli.session import Session
from domctx.context import Operation
from domctx.errors import UsageError
from domctx.image import open_image
from domctx.load import load_made
from domctx.manifest import Manifest
from domctx.options import select
from domctx.plan import check_drop
from domctx.references import IMAGE, Reference
from domctx.sources import RangeSource
from domctx.verify import check_image


@click.command("load")
@click.argument("image")
@click.argument("target", required=False)
@options.given
@options.drop
@options.force
@options.allow_newer
@click.pass_obj
def command(
    session: Session,
    image: str,
    target: str | None,
    given: tuple[str, ...],
    drop: tuple[str, ...],
    force: bool,
    allow_newer: bool,
) -> None:
    """Load IMAGE ("-": standard input) into the machine TARGET. A file is checked whole before TARGET is touched.

    A plain v10 image has no memory, so it loads only into a machine that exists.
    """
    operation = session.operation(given, force=force, allow_newer=allow_newer)
    goal = session.reference(target) if target is not None else _implied(session, given)
    if goal.scheme in (None, IMAGE):
        raise UsageError("is not a machine to load into", file=target, hint="write its scheme, for instance sim:DIR")
    session.check_options(given, goals=[session.format_of(goal)])
    session.registry.manager.refuse_broken()
    check_drop(drop, session.registry)
    reference = session.reference(image)
    if reference.scheme not in (None, IMAGE):
        _refuse_foreign(reference, reference.scheme or "", goal)
    if reference.is_stream and target is None:
        raise UsageError("what starts a machine is checked whole before: a stream cannot be", hint="save it to a file")
    if reference.is_stream:
        _fill(session, session.stdin_source(), goal, operation, drop)
    else:
        _load_file(session, reference, goal, operation, drop)


def _implied(session: Session, given: tuple[str, ...]) -> Reference:
    """The target that an option stands for. Raises click.UsageError where none does."""
    for format_, _ in session.registry.formats.values():
        if format_.implied_by is not None and select(given, format_.options).get(format_.implied_by):
            return Reference(format_.scheme, "")
    raise click.UsageError("Missing argument 'TARGET'.")


def _refuse_foreign(reference: Reference, scheme: str, goal: Reference) -> None:
    hint = f"use `domctx convert {reference} {goal}`"
    raise UsageError(f"is no image but {scheme}", file=str(reference), hint=hint)


def _load_file(
    session: Session, reference: Reference, goal: Reference, operation: Operation, drop: tuple[str, ...]
) -> None:
    """Digests first; only then is the target made."""
    format_ = session.format_of(reference)
    if format_.scheme != IMAGE:
        _refuse_foreign(reference, format_.scheme, goal)
    image = open_image(reference.location, allow_newer=operation.allow_newer)
    try:
        check_image(image, session.registry, operation)
        source = RangeSource(image.file, 0, image.file.size)
        _fill(session, source, goal, operation, drop, total=image.memory, digests=False)
    finally:
        image.close()


def _fill(
    session: Session,
    source: Source,
    goal: Reference,
    operation: Operation,
    drop: tuple[str, ...],
    *,
    total: int = 0,
    digests: bool = True,
) -> None:
    """Load ``source`` into a target that is made when the head of the image is known to be good."""

    def make(manifest: Manifest | None) -> Target:
        return session.create(goal, operation) if manifest is not None else session.update(goal, operation)

    with session.progress_of(operation, "load", total):
        load_made(source, make, session.registry, operation, drop=drop, digests=digests)
