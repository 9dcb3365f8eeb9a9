"""``domctx verify FILE...``: exit code 1 where one falls short."""

from __future__ import annotations

from typing import Any, Final

import click

from domctx.cli import options
from domctx.cli.session import Session
from domctx.cli.terminal import complain
from domctx.context import Operation
from domctx.errors import DomainError, DomctxError, PluginError, UsageError
from domctx.image import open_image
from domctx.references import IMAGE, Reference
from domctx.verify import Report, verify_digests, verify_foreign, verify_image, verify_stream

FALLS_SHORT: Final = 1


@click.command("verify")
@click.argument("files", nargs=-1, required=True)
@click.option("--digests", is_flag=True, help="compare digests alone, of domctx's own images: nothing is decoded")
@options.given
@options.allow_newer
@options.as_json
@click.pass_obj
def command(
    session: Session, files: tuple[str, ...], given: tuple[str, ...], digests: bool, allow_newer: bool, as_json: bool
) -> int:
    """Check digests and framing of each of FILES, then decode every record and frame.

    With --digests no more is looked for than what a disk or a copy can have damaged. Says of foreign files which parts
    no check covers. Exit code 1 where a file falls short, 6 where one cannot be read; the others are looked at all the
    same.
    """
    reports, code = [], 0
    for file in files:
        operation = session.operation(given, allow_newer=allow_newer)
        try:
            report = _verify(session, file, operation, digests)
        except DomainError as error:  # it says nothing about what is in the file
            reports.append(_describe(session, file, Report(problems=(error.at(file=file),), coverage=())))
            complain(f"domctx: {session.named(error)}")
            code = error.exit_code
            continue
        reports.append(_describe(session, file, report))
        if not as_json:
            _print(session, reports[-1])
        if report.problems:
            code = max(code, FALLS_SHORT)
    if as_json:
        session.print_json({"files": reports})
    return code


def _verify(session: Session, file: str, operation: Operation, digests: bool) -> Report:
    reference = session.reference(file)
    if reference.is_stream and not digests and (reference.scheme == IMAGE or _is_image(session, reference)):
        return verify_stream(session.stdin_source(), session.registry, operation)
    try:
        return _verify_file(session, session.seekable(reference), operation, digests)
    except (PluginError, UsageError, DomainError):  # these say nothing about what is in the file
        raise
    except DomctxError as error:
        return Report(problems=(error.at(file=str(reference)),), coverage=())


def _is_image(session: Session, reference: Reference) -> bool:
    """Whether a stream without a scheme is one of our images, which need no spool."""
    return reference.scheme is None and session.stdin_is_image()


def _verify_file(session: Session, reference: Reference, operation: Operation, digests: bool) -> Report:
    format_ = session.format_of(reference)
    session.check_options(operation.given, [format_])
    if format_.scheme == IMAGE:
        image = open_image(reference.location, allow_newer=operation.allow_newer)
        try:
            if digests:
                with session.progress_of(operation, "verify", image.file.size):
                    return verify_digests(image, operation)
            with session.progress_of(operation, "verify", image.memory):
                return verify_image(image, session.registry, operation)
        finally:
            image.close()
    if digests:
        raise UsageError(f"{format_.scheme}: has no digests of domctx's", file=str(reference), hint="omit --digests")
    domain = session.open_as(format_, reference, operation)
    return verify_foreign(domain, format_, session.registry, operation)


def _describe(session: Session, file: str, report: Report) -> dict[str, Any]:
    return {
        "file": file,
        "good": not report.problems,
        "octets": report.octets,
        "records": report.records,
        "problems": [
            {"message": str(error), "offset": error.offset, "record": error.record, "exit_code": error.exit_code}
            for error in map(session.named, report.problems)
        ],
        "coverage": [{"part": item.part, "check": item.check or None} for item in report.coverage],
    }


def _print(session: Session, report: dict[str, Any]) -> None:
    if report["good"]:
        session.echo(f"{report['file']}: good")
    for problem in report["problems"]:
        message, *hints = problem["message"].split("\n")
        session.echo(f"{report['file']}: falls short: {message}")
        for hint in hints:
            session.echo(hint)
    for item in report["coverage"]:
        if item["check"] is None:
            session.echo(f"{report['file']}: not covered by a check: {item['part']}")
