"""``domctx.cli.session``: what a command prints, tells and opens, and what it refuses to."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domctx.cli import session as sessions
from domctx.cli.session import Session
from domctx.errors import DomainError, DomctxError, UsageError
from helpers import distributions
from helpers.toy_commands import Commands, over_toys, redirect


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Commands:
    """Runs command lines over the toys alone."""
    return over_toys(tmp_path, monkeypatch, capfdbinary)


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes a file standard input."""
    return redirect(monkeypatch)


@pytest.fixture
def session(cli: Commands) -> Iterator[Session]:
    """A session over the toys."""
    opened = Session()
    yield opened
    opened.close()


class Refusing(io.StringIO):
    """A stream that refuses to be written."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def write(self, text: str) -> int:
        """Refuse."""
        raise OSError(self._number, os.strerror(self._number))


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_notes(session: Session, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Notes go to standard error; with --quiet nowhere."""
    session.note("heard")
    session.quiet = True
    session.note("unheard")
    assert capfdbinary.readouterr() == (b"", b"domctx: heard\n")


def test_output(session: Session, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are printed as they may go to a terminal; JSON keeps its order, and has lines where people read it."""
    session.echo("a\x1bb")
    session.print_json({"b": 1, "a": [2]})
    assert capfdbinary.readouterr().out == b'a\\x1bb\n{"b": 1, "a": [2]}\n'
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    session.print_json({"b": 1, "a": [2]})
    assert terminal.getvalue() == '{\n  "b": 1,\n  "a": [\n    2\n  ]\n}\n'
    monkeypatch.setattr(sys, "stdout", None)
    session.print_json({})


def test_output_that_is_refused(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is told as the disk's refusal, and the output is silenced; a reader that has gone is no refusal."""
    silenced: list[bool] = []
    monkeypatch.setattr(sessions, "silence", lambda stream: silenced.append(stream is sys.stdout))
    monkeypatch.setattr(sys, "stdout", Refusing(errno.ENOSPC))
    with pytest.raises(DomainError, match="standard output: No space left on device"):
        session.echo("lost")
    monkeypatch.setattr(sys, "stdout", Refusing(errno.EPIPE))
    with pytest.raises(BrokenPipeError):
        session.echo("lost")
    assert silenced == [True]


def test_streams_that_are_closed(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed streams are refused with what to do instead."""
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match=r"standard input is closed\n  name a file"):
        session.stdin()
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(UsageError, match=r"standard output is closed\n  name a file"):
        session.stdout()


def test_terminals_get_no_octets(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody wants a memory image on the screen."""
    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(UsageError, match="octets are not written to a terminal"):
        session.stdout()


def test_octets_go_where_prints_do_not(session: Session, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Once standard output is for octets, what is printed goes to standard error until the command ends."""
    number = session.stdout()
    assert session.stdout() == number != sys.stderr.fileno()
    print("a plugin's line")
    session.close()
    print("afterwards")
    sys.stdout.flush()
    captured = capfdbinary.readouterr()
    assert (captured.out, captured.err) == (b"afterwards\n", b"a plugin's line\n")


def test_standard_input_once(
    session: Session, stdin: Callable[[Path], None], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """It is spooled to a file without a name, which errors and notes call standard input; once only."""
    (tmp_path / "in").write_bytes(b"octets")
    stdin(tmp_path / "in")
    spooled = session.seekable(session.reference("-"))
    assert Path(spooled.location).read_bytes() == b"octets"
    named = session.named(DomctxError("bad", file=spooled.location))
    assert str(named) == "standard input: bad"
    for other in (DomctxError("bad", file="other"), DomctxError("bad")):
        assert str(session.named(other)) in ("other: bad", "bad")
    session.note(f"{spooled.location}: odd")
    session.note("odd")
    assert capfdbinary.readouterr().err == b"domctx: standard input: odd\ndomctx: odd\n"
    with pytest.raises(UsageError, match="standard input can be read once only"):
        session.seekable(session.reference("-"))
    session.close()
    assert not os.path.exists(spooled.location)


def test_what_has_no_such_road(session: Session, cli: Commands) -> None:
    """A format that only writes is not opened; one that is no machine is not loaded into."""
    operation = session.operation()
    with pytest.raises(UsageError, match="out: cannot be read"):
        session.open("out:x")
    with pytest.raises(UsageError, match="text: is not a machine to load into"):
        session.create(session.reference("text:x"), operation)
    with pytest.raises(UsageError, match="a machine is no stream"):
        session.create(session.reference("toy:-"), operation)
    with pytest.raises(UsageError, match="text: cannot be loaded into while it exists"):
        session.update(session.reference("text:x"), operation)


def test_open(session: Session, cli: Commands, tmp_path: Path) -> None:
    """Options reach the format; what was opened is closed with the session, last first."""
    domain = session.open(cli.machine(), ["fail="])
    assert domain.scheme == "toy"
    image = session.open(str(cli.image()))
    assert (image.scheme, image.machine.name) == ("dctx", "toy")
    with pytest.raises(UsageError, match="no option 'speed' here"):
        session.open(cli.machine("n"), ["speed=9"])
    session.on_exit(lambda: (tmp_path / "last").touch())
    assert cli.log() == []
    session.close()
    assert cli.log() == ["close"]
    assert "last" in cli.files()


def test_plugins_in_use(session: Session) -> None:
    """None before one is needed; the loaded ones after, found once."""
    assert list(session.plugins_in_use()) == []
    registry = session.registry
    assert [plugin.name for plugin in session.plugins_in_use()] == ["acme:toys", "domctx:toys"]
    assert session.registry is registry


def test_broken_plugins_are_told(cli: Commands, tmp_path: Path) -> None:
    """A broken plugin is told and left out of what only looks; -q tells nothing."""
    (tmp_path / "bad.py").write_text("raise RuntimeError('worn out')")
    image = cli.image()
    told = cli("--plugin", tmp_path / "bad.py", "verify", image).err
    assert "is broken and left out: RuntimeError: worn out" in told
    assert cli("-q", "--plugin", tmp_path / "bad.py", "verify", image).err == ""


def test_trace(cli: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DOMCTX_TRACE=1 tells each call of a handler with its time."""
    monkeypatch.setenv("DOMCTX_TRACE", "1")
    told = cli("save", cli.machine(), tmp_path / "a").err
    assert "domctx: trace: save DIAL: helpers.toys.save_dial took " in told
    monkeypatch.setenv("DOMCTX_TRACE", "0")
    assert cli("save", "--force", cli.machine(), tmp_path / "a").err == ""


def test_disabled_plugins(cli: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """DOMCTX_DISABLE_PLUGINS leaves a plugin out, and refuses a name of none."""
    machine = cli.machine()
    monkeypatch.setenv("DOMCTX_DISABLE_PLUGINS", "domctx:toys")
    assert "unknown scheme 'toy'" in cli.refused(2, "info", machine)
    monkeypatch.setenv("DOMCTX_DISABLE_PLUGINS", "nobody")
    assert "names 'nobody', but there is no such plugin" in cli.refused(2, "info", machine)


def test_octets_in_a_process(tmp_path: Path) -> None:
    """A pipe gets the octets, and a closed standard input is refused as wrong use."""
    line = f"{sys.executable} -m domctx.cli.main info - <&-"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "standard input is closed" in done.stderr
    assert distributions.domctx("info", "-", stdin=b"junk").returncode == 5
