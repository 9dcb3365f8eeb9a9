"""``domctx formats``."""

from __future__ import annotations

from typing import Any

import click

from domctx.api import Format, Option
from domctx.cli import options
from domctx.cli.session import Session
from domctx.manager import Plugin


@click.command("formats")
@options.as_json
@click.pass_obj
def command(session: Session, as_json: bool) -> None:
    """List the schemes that references may have, what each can do, and its options."""
    rows = [_describe(*session.registry.formats[scheme]) for scheme in sorted(session.registry.formats)]
    if as_json:
        session.print_json({"formats": rows})
        return
    for row in rows:
        session.echo(f"{row['scheme'] + ':':8} {row['summary']}  ({', '.join(row['can'])}; {row['plugin']})")
        for option in row["options"]:
            spelled = f"--{option['alias']}" if option["alias"] else f"-O {option['name']}=..."
            session.echo(f"         {spelled}  {option['help']} (default {option['default']})")


def _describe(format_: Format, plugin: Plugin) -> dict[str, Any]:
    can = [verb for verb in ("open", "create", "update", "write") if getattr(format_, verb) is not None]
    return {
        "scheme": format_.scheme,
        "summary": format_.summary,
        "can": can or ["open", "write"],
        "plugin": plugin.name,
        "options": [_option(option) for option in format_.options],
    }


def _option(option: Option) -> dict[str, Any]:
    return {
        "name": option.name,
        "alias": option.alias,
        "type": option.type.__name__,
        "help": option.help,
        "default": option.default,
        "choices": list(option.choices),
        "role": option.role.value if option.role is not None else None,
    }
