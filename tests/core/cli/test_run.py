"""``domctx.cli.run``: which commands there are, what an error prints, and the exit code."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import click
import pytest

from domctx.cli import run as cli_run
from domctx.cli.commands import COMMANDS
from domctx.cli.run import ENDING, domctx, run
from domctx.cli.session import Session
from helpers import distributions
from helpers.toy_commands import Commands, over_toys, redirect

ODD = """
import errno, os, signal, threading, click
from domctx import Command, Format, hookimpl
from domctx.errors import RecordError

@hookimpl
def domctx_commands():
    targets = {"odd": "acme_odd:odd", "lost": "acme_lost:odd", "none": "acme_odd:domctx_commands"}
    return [Command(name, "fail in many ways", target) for name, target in targets.items()]

@hookimpl
def domctx_formats():
    return [Format(scheme="odd", summary="opens nothing", open=lambda path, context: None)]

@click.command("odd")
@click.argument("how")
@click.pass_obj
def odd(session, how):
    if how == "bug":
        raise KeyError("no such key")
    if how == "abort":
        raise click.Abort
    if how == "click":
        raise click.ClickException("clicked")
    if how == "record":
        raise RecordError("a bad record", record="CPU[0]")
    if how == "pipe":
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
    if how == "text":
        return "text"
    if how.isdigit():
        return int(how)
    session.on_exit(lambda: session.note("closed"))
    if how.startswith("late "):
        Late().how = how.removeprefix("late ")
        threading.Event().wait(60)
    elif how == "dropped":
        Late().how = "NOTHING"
    else:
        os.kill(os.getpid(), getattr(signal, how))
    session.note("went on")

class Late:
    def __del__(self):
        os.kill(os.getpid(), getattr(signal, self.how))
"""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Commands:
    """Runs command lines over the toys alone."""
    return over_toys(tmp_path, monkeypatch, capfdbinary)


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes a file standard input."""
    return redirect(monkeypatch)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path with the distribution acme-odd, whose command fails in many ways."""
    distributions.distribution(tmp_path / "site", "acme-odd", ODD)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("DOMCTX_DISABLE_PLUGINS", "domctx")
    yield tmp_path / "site"
    sys.modules.pop("acme_odd", None)


@pytest.fixture
def odd(site: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Commands:
    """Runs command lines where acme-odd is the only plugin."""
    return Commands(capfdbinary, tmp_path)


def test_help_lists_every_command(odd: Commands) -> None:
    """The plugins' commands stand with the core's, in order, and none of them is imported for it."""
    lines = [line.split() for line in odd("--help").out.splitlines()]
    found = [line[0] for line in lines if line and line[0] in {*COMMANDS, "odd", "lost", "none"}]
    assert found == sorted({*COMMANDS, "odd", "lost", "none"})
    assert ["odd", "fail", "in", "many", "ways"] in lines


def test_commands_by_name(odd: Commands) -> None:
    """The group lists them, and imports one that is asked for; of another it knows nothing."""
    session = Session()
    context = click.Context(domctx, obj=session)
    assert isinstance(domctx, click.Group)
    assert domctx.list_commands(context) == sorted({*COMMANDS, "odd", "lost", "none"})
    assert {name: getattr(domctx.get_command(context, name), "name", None) for name in [*COMMANDS, "odd"]} == {
        name: name for name in [*COMMANDS, "odd"]
    }
    assert domctx.get_command(context, "nothing") is None
    session.close()


def test_the_core_is_not_asked_of_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of the core is found without looking for plugins."""
    monkeypatch.setattr(Session, "registry", property(lambda self: pytest.fail("plugins are looked for")))
    assert run(["info", "--help"]) == 0


def test_unknown_commands(odd: Commands) -> None:
    """A command that nobody has is wrong use; so is an option that is none."""
    assert "No such command 'nothing'" in odd.refused(2, "nothing")
    assert "No such option" in odd.refused(2, "--nothing")
    assert "before the command" not in odd.refused(2, "formats", "--here")
    assert "Invalid value for '--progress'" in odd.refused(2, "--progress", "loud", "info")


@pytest.mark.parametrize("option", ["--quiet", "-q", "--debug", "--progress"])
def test_options_of_every_command(odd: Commands, option: str) -> None:
    """They stand before it, and are refused behind it with a word that says so."""
    told = odd.refused(2, "formats", f"{option}=json" if option == "--progress" else option)
    assert f"It stands before the command: domctx {option} ..." in told


def test_a_command_that_cannot_be_imported(odd: Commands) -> None:
    """It is its plugin that is to blame."""
    told = odd.refused(70, "lost", "x")
    assert "acme-odd:main" in told
    assert "No module named 'acme_lost'" in told


@pytest.mark.parametrize(("how", "code"), [("7", 7), ("0", 0), ("text", 0)])
def test_a_commands_exit_code(odd: Commands, how: str, code: int) -> None:
    """A command that returns a number ends with it; anything else is success."""
    assert odd("odd", how, code=code).err == ""


@pytest.mark.parametrize(
    ("how", "code", "told"),
    [
        ("click", 2, "Error: clicked\n"),
        ("abort", 130, "domctx: interrupted\n"),
        ("record", 4, "domctx: in CPU[0]: a bad record\n"),
        ("bug", 70, "domctx: this is a bug in acme-odd:main: KeyError: 'no such key'\n"),
    ],
)
def test_errors(odd: Commands, how: str, code: int, told: str) -> None:
    """Each kind of error has its exit code, and one line that says whose it is."""
    assert odd.refused(code, "odd", how) == told


def test_a_bug_of_ours(cli: Commands, monkeypatch: pytest.MonkeyPatch, stdin: Callable[[Path], None]) -> None:
    """A bug outside any plugin is domctx's own; so is one before plugins were looked for."""
    image = cli.image()
    monkeypatch.setattr("domctx.cli.info.describe_image", lambda image: 1 // 0)
    assert "this is a bug in domctx: ZeroDivisionError" in cli.refused(70, "info", image)
    stdin(image)
    assert "this is a bug in domctx: ZeroDivisionError" in cli.refused(70, "info", "-")


def test_debug(odd: Commands) -> None:
    """--debug prints the trace before the line."""
    told = odd.refused(70, "--debug", "odd", "bug")
    assert told.startswith("Traceback (most recent call last):")
    assert told.endswith("domctx: this is a bug in acme-odd:main: KeyError: 'no such key'\n")
    assert "Traceback" not in odd.refused(70, "odd", "bug")


def test_what_is_given_is_looked_at(odd: Commands) -> None:
    """A command that is no click command and a format that opens nothing are bugs of the plugin that has them."""
    told = "domctx: plugin acme-odd:main: {}\n  this is a bug in acme-odd, report it there\n"
    expected = told.format("acme_odd:domctx_commands is no click command, but a function")
    assert odd.refused(70, "none") == expected
    expected = told.format("odd: is neither Domain nor Target, but None")
    assert odd.refused(70, "info", "odd:it") == expected


def test_interrupted(odd: Commands) -> None:
    """Ctrl-C unwinds the command, closes what it opened, and ends with 130."""
    before = [signal.getsignal(number) for number in ENDING]
    assert odd.refused(130, "odd", "SIGINT") == "\ndomctx: closed\ndomctx: interrupted\n"
    assert [signal.getsignal(number) for number in ENDING] == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ended(odd: Commands, number: signal.Signals, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """SIGTERM and SIGHUP unwind as well, and end the process as the shell tells of it."""
    with pytest.raises(SystemExit) as ended:
        run(["odd", number.name])
    assert ended.value.code == 128 + number
    assert capfdbinary.readouterr().err == b"domctx: closed\n"


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_in_a_finalizer(odd: Commands, number: signal.Signals) -> None:
    """Python drops what is raised there: it ends the command all the same, and nothing else is changed."""
    before = sys.unraisablehook, signal.getsignal(signal.SIGALRM)
    if number == signal.SIGINT:
        assert odd.refused(130, "odd", "late SIGINT") == "\ndomctx: closed\ndomctx: interrupted\n"
    else:
        with pytest.raises(SystemExit) as ended:
            run(["odd", f"late {number.name}"])
        assert ended.value.code == 128 + number
    assert (sys.unraisablehook, signal.getsignal(signal.SIGALRM)) == before


def test_what_else_a_finalizer_raises(odd: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told as ever, and the command goes on."""
    lost: list[sys.UnraisableHookArgs] = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    assert odd("odd", "dropped").err == "domctx: went on\ndomctx: closed\n"
    assert [found.exc_type for found in lost] == [AttributeError]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ended_while_plugins_are_imported(
    site: Path, odd: Commands, number: signal.Signals, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The command ends as it does later; the plugin whose module was being run is not taken for a broken one."""
    distributions.distribution(site, "acme-late", f"import os\nos.kill(os.getpid(), {number:d})\n{ODD}")
    with pytest.raises(SystemExit) as ended:
        run(["formats"])
    assert ended.value.code == 128 + number
    assert capfdbinary.readouterr() == (b"", b"")


def test_signals_that_are_ignored(odd: Commands) -> None:
    """A signal that whoever started the command lets it ignore (nohup) stays ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert odd("odd", "SIGHUP").err == "domctx: went on\ndomctx: closed\n"
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_second_signal_does_not_disturb() -> None:
    """While the first signal unwinds those that follow are ignored."""
    before = {number: signal.getsignal(number) for number in ENDING}
    with cli_run._ending_in_order():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        for number in ENDING:
            os.kill(os.getpid(), number)
    assert {number: signal.getsignal(number) for number in ENDING} == before


@pytest.fixture
def unread() -> Iterator[IO[str]]:
    """A stream whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as gone:
        yield gone


def test_nobody_reads(odd: Commands, unread: IO[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the reader of text has gone, output is silenced and nothing told; the exit code is SIGPIPE's."""
    monkeypatch.setattr(sys, "stdout", unread)
    assert odd.refused(141, "odd", "pipe") == ""
    unread.write("goes nowhere")
    unread.flush()


def test_nobody_reads_what_is_flushed_last(odd: Commands, unread: IO[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Text that a plugin printed itself is written when the command ends."""
    monkeypatch.setattr(sys, "stdout", unread)
    unread.write("to nobody")
    assert odd.refused(141, "odd", "0") == ""


def test_a_pipe_that_is_not_standard_output(odd: Commands) -> None:
    """Where the other end of a plugin's own pipe has gone, that is told."""
    assert odd.refused(6, "odd", "pipe") == "domctx: plugin acme-odd:main: Broken pipe\n"


def test_what_any_call_may_meet(cli: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no bug, whoever let it through; a name that no file has is one."""
    image = cli.image()

    def fail(number: int) -> None:
        raise OSError(number, os.strerror(number), "a.dctx")

    monkeypatch.setattr("domctx.cli.info.describe_image", lambda image: fail(errno.EMFILE))
    assert cli.refused(6, "info", image) == "domctx: a.dctx: Too many open files\n  see ulimit -n\n"
    monkeypatch.setattr("domctx.cli.info.describe_image", lambda image: fail(errno.ENOENT))
    assert "this is a bug in domctx: FileNotFoundError" in cli.refused(70, "info", image)


def test_a_reader_that_goes() -> None:
    """``domctx types | true`` ends in silence."""
    line = f"({sys.executable} -m domctx.cli.main types; echo $? >&2) | true"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.stderr in ("0\n", "141\n")


def test_no_standard_output(cli: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no standard output, a command that needs none works."""
    machine = cli.machine()
    monkeypatch.setattr(sys, "stdout", None)
    assert run(["save", machine, str(tmp_path / "a")]) == 0
    assert (tmp_path / "a").exists()
