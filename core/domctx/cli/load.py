"""``domctx load IMAGE TARGET``."""

from __future__ import annotations

import sys

import click

from domctx.api import Target
from domctx.cli import options
from domctx.cli.session import Session
from domctx.context import Operation
from domctx.errors import DomctxError, UsageError
from domctx.image import Image, open_image
from domctx.load import load
from domctx.references import IMAGE, Reference
from domctx.sources import FileSource, RangeSource


@click.command("load")
@click.argument("image")
@click.argument("target")
@options.given
@options.drop
@options.force
@options.allow_newer
@click.pass_obj
def command(
    session: Session,
    image: str,
    target: str,
    given: tuple[str, ...],
    drop: tuple[str, ...],
    force: bool,
    allow_newer: bool,
) -> None:
    """Load IMAGE ("-": standard input) into the machine TARGET. A file is checked whole before TARGET is touched."""
    operation = session.operation(given, force=force, allow_newer=allow_newer)
    goal = session.reference(target)
    if goal.scheme in (None, IMAGE):
        raise UsageError("is not a machine to load into", file=target, hint="write its scheme, for instance sim:DIR")
    session.check_options(given, [session.registry.formats[goal.scheme][0]])
    session.registry.manager.refuse_broken()
    reference = session.reference(image)
    if reference.is_stream:
        _load_stream(session, goal, operation, drop)
    else:
        _load_file(session, reference, goal, operation, drop)


def _load_stream(session: Session, goal: Reference, operation: Operation, drop: tuple[str, ...]) -> None:
    target = session.create(goal, operation)
    with session.progress_of(operation, "load", 0):
        load(FileSource(sys.stdin.fileno(), "standard input"), target, session.registry, operation, drop=drop)


def _load_file(
    session: Session, reference: Reference, goal: Reference, operation: Operation, drop: tuple[str, ...]
) -> None:
    """Digests first; only then is the target made."""
    format_ = session.format_of(reference)
    if format_.scheme != IMAGE:
        raise UsageError(
            f"is no image but {format_.scheme}", file=str(reference), hint=f"use `domctx convert {reference} {goal}`"
        )
    image = open_image(reference.location, allow_newer=operation.allow_newer)
    try:
        for damage in image.check_digests(operation.pool):
            raise damage
        target = _target(session, image, goal, operation)
        total = sum(block.size for block in image.manifest.machine.blocks) if image.manifest else 0
        source = RangeSource(image.file, 0, image.file.size)
        with session.progress_of(operation, "load", total):
            load(source, target, session.registry, operation, drop=drop, digests=False)
    except DomctxError as error:
        raise error.at(file=reference.location) from error.__cause__
    finally:
        image.close()


def _target(session: Session, image: Image, goal: Reference, operation: Operation) -> Target:
    """A new target; for a plain v10 image, which has no memory, one that exists."""
    if image.manifest is not None:
        return session.create(goal, operation)
    format_ = session.registry.formats[goal.scheme or ""][0]
    if format_.update is None:
        raise UsageError(
            f"{format_.scheme}: cannot be loaded into while it exists",
            file=str(goal),
            hint="a plain v10 image has no memory, so it loads only into a machine that exists",
        )
    return format_.update(goal.location, session.context(format_, operation))
