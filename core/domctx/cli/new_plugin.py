"""``domctx new-plugin NAME``: the folder of a new plugin, whose tests pass as written."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from string import Template
from typing import Final

import click

from domctx import __version__
from domctx.cli.session import Session
from domctx.errors import UsageError
from domctx.publish import publish_directory, refused

TEMPLATES: Final = Path(__file__).parent / "templates" / "plugin"
SUFFIX: Final = ".txt"
"""Stands behind the name of every template, so that no tool takes it for what it becomes."""

FIRST: Final = 0x4000_0000
BLOCK: Final = 0x100
BLOCKS: Final = (0x7FFF_0000 - FIRST) // BLOCK
"""The self-assigned range: 0x40000000 .. 0x7ffeffff, in blocks of 0x100 codes."""

NAME: Final = re.compile(r"([a-z][a-z0-9]*(?:-[a-z0-9]+)*)/([a-z][a-z0-9]*(?:-[a-z0-9]+)*)")


@click.command("new-plugin")
@click.argument("name", metavar="NAMESPACE/TYPE")
@click.option("-o", "--output", metavar="DIR", help="the folder to write; by default ./NAMESPACE-TYPE")
@click.pass_obj
def command(session: Session, name: str, output: str | None) -> None:
    """Write the folder of a new plugin: a record type, its state and its tests, which pass as written.

    NAMESPACE is yours (a company, a project), TYPE what the records hold: domctx new-plugin acme/tpm.
    """
    words = substitutes(name)
    goal = Path(output if output is not None else words["distribution"])
    write(goal, words)
    session.echo(f"{goal}: {name}, code {words['code']}")
    session.note(f"`python -m pytest {goal}` runs its tests; {goal}/README.md says how to go on")


def substitutes(name: str) -> dict[str, str]:
    """What the templates are filled with. Raises UsageError for a name that is not NAMESPACE/TYPE."""
    found = NAME.fullmatch(name)
    if found is None:
        raise UsageError(
            f"{name!r} is no name for a record type of a third party",
            expected="NAMESPACE/TYPE in lower-case letters, digits and single dashes",
            hint="for instance acme/tpm",
        )
    namespace, kind = found.groups()
    if namespace == "domctx":
        raise UsageError("the namespace domctx is taken", hint="choose one of your own")
    code = self_assigned(namespace, kind)
    return {
        "name": name,
        "distribution": f"{namespace}-{kind}",
        "package": f"{namespace}_{kind}".replace("-", "_"),
        "class": "".join(word.capitalize() for word in kind.split("-")),
        "code": f"0x{code:08x}",
        "literal": f"0x{code:08X}",
        "version": __version__,
    }


def self_assigned(namespace: str, kind: str) -> int:
    """A type code of the self-assigned range: its block by a hash of the namespace, its place there by the type's."""
    block = FIRST + _number(namespace) % BLOCKS * BLOCK
    return block + _number(kind) % BLOCK


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")


def write(goal: Path, words: dict[str, str]) -> None:
    """Fill the templates into a folder that does not exist yet.

    Raises UsageError where it does, DomainError where the disk refuses.
    """
    with publish_directory(goal) as folder:
        for template in sorted(TEMPLATES.rglob(f"*{SUFFIX}")):
            name = template.relative_to(TEMPLATES)
            path = folder.joinpath(*(words["package"] if part == "package" else part for part in name.parts))
            path = path.with_name(path.name.removesuffix(SUFFIX))
            try:
                path.parent.mkdir(exist_ok=True)
                path.write_text(Template(template.read_text("utf-8")).substitute(words), "utf-8")
            except OSError as error:
                raise refused(error, goal) from error
