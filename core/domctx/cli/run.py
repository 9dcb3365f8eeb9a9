"""Running one command: which there are, what an error prints, and what the process exits with."""

from __future__ import annotations

import contextlib
import functools
import importlib
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import click

from domctx import __version__
from domctx.cli.aliases import spell_out
from domctx.cli.commands import COMMANDS
from domctx.cli.session import Session
from domctx.cli.terminal import complain, is_unread, silence
from domctx.errors import DomctxError

F = TypeVar("F", bound=Callable[..., Any])

EXIT_USAGE: Final = 2
EXIT_BUG: Final = 70
EXIT_INTERRUPTED: Final = 130
EXIT_NO_READER: Final = 128 + signal.SIGPIPE
"""Of text that nobody reads to its end, as of any program that does not catch that signal; told to nobody."""

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that end a command in good order."""
AGAIN: Final = 0.01
"""Seconds after which a signal is raised again that came where Python drops what is raised: in a finalizer, say."""


class Ended(BaseException):
    """SIGTERM or SIGHUP, with the exit code; a plugin's module that calls ``sys.exit`` raises another thing."""


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
        entry = session.registry.commands.get(cmd_name)
        if entry is None:
            return None
        from domctx.handlers import failure, guard

        command, plugin = entry
        found = guard(lambda: _import(command.target), [plugin])
        if not isinstance(found, click.Command):
            raise failure(plugin, f"{command.target} is no click command, but a {type(found).__name__}")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command and its arguments, with plain aliases of options spelled out."""
        name, command, rest = super().resolve_command(ctx, args)
        session: Session = ctx.ensure_object(Session)
        return name, command, spell_out(command, rest, lambda: session.registry.aliases) if command else rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises BrokenPipeError without a number: of one that has it click would exit with 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise BrokenPipeError().with_traceback(error.__traceback__) from error

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


def _set(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Tell the session an option that stands before the command: it must know them before it looks for plugins."""
    setattr(ctx.ensure_object(Session), str(param.name), value)


def _option(*names: str, **details: Any) -> Callable[[F], F]:
    return click.option(*names, is_eager=True, expose_value=False, callback=_set, **details)


@click.command(cls=Group)
@_option("--plugin", "plugins", multiple=True, metavar="FILE|NAME", help="run a one-file plugin, or ask for one")
@_option("--debug", is_flag=True, help="print the trace of an error")
@_option("--quiet", "-q", is_flag=True, help="no progress, no notes")
@_option("--progress", type=click.Choice(["auto", "json", "none"]), default="auto", help="how progress is shown")
@click.version_option(__version__, message="domctx %(version)s")
def domctx() -> None:
    """Save, load, open, check, compare and convert the whole state of a virtual machine."""


def run(arguments: list[str]) -> int:
    """Run a command line; the exit code."""
    session = Session()
    try:
        with _ending_in_order():
            try:
                code: Any = domctx.main(arguments, prog_name="domctx", standalone_mode=False, obj=session)
                if sys.stdout is not None:
                    sys.stdout.flush()
            finally:
                session.close()
    except click.ClickException as error:
        _placed(error).show()
        return max(error.exit_code, EXIT_USAGE)
    except (click.Abort, KeyboardInterrupt):
        return _failed(session, "interrupted", EXIT_INTERRUPTED)
    except Ended as ended:
        raise SystemExit(*ended.args) from None
    except DomctxError as error:
        return _failed(session, str(session.named(error)), error.exit_code)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and is_unread(sys.stdout):
            silence(sys.stdout)
            return EXIT_NO_READER
        return _untold(session, error)
    return code if isinstance(code, int) else 0


def _placed(error: click.ClickException) -> click.ClickException:
    """The error itself; of an option of every command, which stands before it, one that says where it is to stand."""
    own = {name for option in domctx.params for name in option.opts}
    if not isinstance(error, click.NoSuchOption) or error.option_name not in own:
        return error
    name = error.option_name
    return click.NoSuchOption(name, f"{error.message} It stands before the command: domctx {name} ...", ctx=error.ctx)


def _untold(session: Session, error: Exception) -> int:
    """Tell what no DomctxError tells: what any call may meet, or else a bug, with the plugin that has it, or domctx."""
    from domctx.handlers import culprit, met_by

    plugins = session.plugins_in_use()
    met = met_by(error, plugins)
    if met is not None:
        return _failed(session, str(session.named(met)), met.exit_code)
    found = culprit(error, plugins)
    whose = found.name if found is not None else "domctx"
    return _failed(session, f"this is a bug in {whose}: {type(error).__name__}: {error}", EXIT_BUG)


def _failed(session: Session, message: str, code: int) -> int:
    if session.debug:
        import traceback

        traceback.print_exc()
    complain(f"domctx: {message}")
    return code


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """Signals unwind as any other failure does, so that nothing half-written stays and the domain is given back."""
    caught = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _end) for number in caught}
    try:
        with _raised_again():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _raised_again() -> Iterator[None]:
    """What a signal raised and Python dropped is raised again a moment later, until it unwinds."""
    told, alarm = sys.unraisablehook, signal.getsignal(signal.SIGALRM)

    def dropped(lost: sys.UnraisableHookArgs) -> None:
        error = lost.exc_value
        if not isinstance(error, (Ended, KeyboardInterrupt)):
            told(lost)
            return
        signal.signal(signal.SIGALRM, functools.partial(_raise, error))
        signal.setitimer(signal.ITIMER_REAL, AGAIN)

    sys.unraisablehook = dropped
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        sys.unraisablehook = told


def _raise(error: BaseException, number: int, frame: object) -> None:
    raise error


def _end(number: int, frame: object) -> None:
    """The first signal unwinds; those that follow do not disturb it (SIGQUIT and SIGKILL still do)."""
    for other in ENDING:
        signal.signal(other, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Ended(128 + number)
