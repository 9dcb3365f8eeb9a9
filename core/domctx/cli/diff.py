"""``domctx diff A B``: exit code 1 where they differ."""

from __future__ import annotations

from typing import Any, Final

import attrs
import click

from domctx.cli import options
from domctx.cli.session import Session
from domctx.diff import diff

LONGEST: Final = 512
"""Characters of a value that are printed for people; of a longer one the first ``SHOWN``."""
SHOWN: Final = 64


@click.command("diff")
@click.argument("a")
@click.argument("b")
@options.given
@options.allow_newer
@options.as_json
@click.pass_obj
def command(session: Session, a: str, b: str, given: tuple[str, ...], allow_newer: bool, as_json: bool) -> int:
    """Say which records, fields and pages of A and B differ: saved states of any format, or machines.

    What only tells when, by whom or from which frames they were saved is told apart and not counted.
    """
    operation = session.operation(given, allow_newer=allow_newer)
    references = [session.seekable(session.reference(side)) for side in (a, b)]
    formats = [session.format_of(reference) for reference in references]
    session.check_options(given, formats)
    left, right = (session.open_as(*side, operation) for side in zip(formats, references, strict=True))
    counted = 0
    rows = []
    for found in diff(left, right, session.registry, operation):
        counted += found.counted
        if as_json:
            rows.append(attrs.asdict(found))
        else:
            where = f"{found.record} {found.path}".rstrip()
            session.echo(f"{where}: {_text(found.a)} -> {_text(found.b)}{'' if found.counted else '  (not counted)'}")
    if as_json:
        session.print_json({"a": a, "b": b, "differences": rows, "counted": counted})
    return 1 if counted else 0


def _text(value: Any) -> str:
    if value is None:
        return "absent"
    text = hex(value) if type(value) is int else str(value)
    return text if len(text) <= LONGEST else f"{text[:SHOWN]}... ({len(text)} characters, all of them with --json)"
