"""Running one command: which there are, what an error prints, and what the process exits with."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from typing import Any, Final

import click

from domctx import __version__
from domctx.cli.session import Session
from domctx.errors import DomctxError

COMMANDS: Final = {
    "convert": ("domctx.cli.convert:command", "convert a saved state to another format, or into a machine"),
    "diff": ("domctx.cli.diff:command", "say which records, fields and pages of two states differ"),
    "formats": ("domctx.cli.formats:command", "list the schemes that references may have"),
    "info": ("domctx.cli.info:command", "say what a file holds, from its head and tail only"),
    "load": ("domctx.cli.load:command", "load an image into a machine"),
    "new-plugin": ("domctx.cli.new_plugin:command", "write the folder of a new plugin"),
    "plugins": ("domctx.cli.plugins:command", "list the plugins, and why one is broken"),
    "save": ("domctx.cli.save:command", "save a machine to an image"),
    "show": ("domctx.cli.show:command", "show records, field by field"),
    "types": ("domctx.cli.types:command", "list record types; layouts as C or tables; what a change breaks"),
    "verify": ("domctx.cli.verify:command", "check digests, then decode every record and frame"),
}
"""The core's own commands: module and attribute, imported when called, and a line of help."""

EXIT_BUG: Final = 70
EXIT_INTERRUPTED: Final = 130
EXIT_TERMINATED: Final = 143


class Group(click.Group):
    """A group whose commands are imported when they are called; plugins are asked only for what is not ours."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, the plugins' included."""
        session: Session = ctx.ensure_object(Session)
        return sorted({*COMMANDS, *session.registry.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name in COMMANDS:
            return _import(COMMANDS[cmd_name][0])
        session: Session = ctx.ensure_object(Session)
        found = session.registry.commands.get(cmd_name)
        return _import(found[0].target) if found is not None else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in ``--help``, without importing any."""
        session: Session = ctx.ensure_object(Session)
        rows = [(name, help_) for name, (_, help_) in COMMANDS.items()]
        rows += [(name, command.help) for name, (command, _) in session.registry.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows))


def _import(target: str) -> click.Command:
    module, _, attribute = target.partition(":")
    command: click.Command = getattr(importlib.import_module(module), attribute)
    return command


@click.command(cls=Group)
@click.version_option(__version__, message="domctx %(version)s")
@click.option("--plugin", "plugins", multiple=True, metavar="FILE|NAME", help="run a one-file plugin, or ask for one")
@click.option("--debug", is_flag=True, help="print the trace of an error")
@click.option("--quiet", "-q", is_flag=True, help="no progress, no notes")
@click.option("--progress", type=click.Choice(["auto", "json", "none"]), default="auto", help="how progress is shown")
@click.pass_context
def domctx(ctx: click.Context, plugins: tuple[str, ...], debug: bool, quiet: bool, progress: str) -> None:
    """Save, load, open, check, compare and convert the whole state of a virtual machine."""
    session = ctx.ensure_object(Session)
    session.configure(plugins=plugins, debug=debug, quiet=quiet, progress=progress)


def run(arguments: list[str]) -> int:
    """Run a command line; the exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    session = Session()
    try:
        code: Any = domctx.main(arguments, prog_name="domctx", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _failed(session, "interrupted", EXIT_INTERRUPTED)
    except DomctxError as error:
        return _failed(session, str(error), error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _failed(session, "nobody reads the output any more", 6)
    except Exception as error:  # whatever comes here is a bug of ours, and says so
        return _failed(session, f"this is a bug in domctx: {type(error).__name__}: {error}", EXIT_BUG)
    finally:
        session.close()
    return code if isinstance(code, int) else 0


def _failed(session: Session, message: str, code: int) -> int:
    if session.debug:
        traceback.print_exc()
    click.echo(f"domctx: {message}", err=True)
    return code


def _terminate(signal_number: int, frame: object) -> None:
    """SIGTERM unwinds as any other failure does, so that nothing half-written stays and the domain is given back."""
    raise SystemExit(EXIT_TERMINATED)
