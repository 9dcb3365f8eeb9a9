"""A QEMU that is started: what may be, what it prints, what it leaves."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from domctx.errors import DomainError, UsageError
from domctx_qmp.start import LONGEST, Started, private_folder, start
from helpers.real_qemu import BARE, BINARY
from helpers.terminal import on_terminal


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where private folders are made; a bare machine of 16 MiB can be started."""
    if shutil.which(BINARY) is None:
        pytest.skip(f"{BINARY} is not installed")
    tmp_path_factory.getbasetemp()  # is not to be made there
    with tempfile.TemporaryDirectory() as folder:  # with a name that is short enough for sockets
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def line(*words: str) -> str:
    """A kept command line."""
    return json.dumps([BINARY, *BARE, "-m", "16", *words])


@pytest.fixture
def started() -> Iterator[Started]:
    """A machine that waits."""
    started = start(line("-monitor", "none"), ["-uuid", "00000000-0000-0000-0000-000000000007"], trust=True)
    yield started
    started.monitor.close()
    started.end()


def test_it_waits_in_a_session_of_its_own(started: Started, folder: Path) -> None:
    """Its monitor answers; what was given besides is there; nobody else may look into its folder."""
    assert started.monitor.status() == "inmigrate"
    assert started.monitor.execute("query-uuid")["UUID"].endswith("7")
    assert os.getsid(started.pid) == started.pid != os.getsid(0)
    assert (started.folder.parent, started.folder.stat().st_mode & 0o777) == (folder, 0o700)
    words = Path(f"/proc/{started.pid}/cmdline").read_text().split("\0")
    assert (words[0], "-monitor" in words) == (shutil.which(BINARY), False)


def test_its_end_leaves_nothing(started: Started, folder: Path) -> None:
    """Neither a process nor a file; what it printed can be seen no more."""
    started.monitor.close()
    started.end()
    assert list(folder.iterdir()) == []
    assert started.last_words() == ""
    with pytest.raises(ProcessLookupError):
        os.kill(started.pid, 0)


def test_a_qemu_that_does_not_start(folder: Path) -> None:
    """Its own words are told, and nothing is left."""
    with pytest.raises(DomainError, match=r"QEMU did not start; got .*-bogus: invalid option"):
        start(line(), ["-bogus"], trust=True)
    assert list(folder.iterdir()) == []


def test_what_is_no_qemu(folder: Path) -> None:
    """A program that ends without a word, one that is not there, and one that cannot be run are refused."""
    with pytest.raises(DomainError, match="QEMU did not start; got exit code 1"):
        start('["false"]', [], trust=True)
    with pytest.raises(UsageError, match="names a program that is not here; got /no/qemu"):
        start('["/no/qemu"]', [], trust=True)
    script = folder / "qemu"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o700)
    with pytest.raises(DomainError, match="No such file or directory"):
        start(json.dumps([str(script)]), [], trust=True)
    assert list(folder.iterdir()) == [script]


def test_what_listens_and_is_no_qemu(folder: Path) -> None:
    """A monitor that speaks something else is refused, and its program ended."""
    code = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[-1][5:].split(',')[0])\n"
    code += "s.listen(); c, _ = s.accept(); c.send(b'hello\\n'); __import__('time').sleep(600)"
    with pytest.raises(DomainError, match="what listens there speaks no QMP"):
        start(json.dumps([sys.executable, "-c", code]), [], trust=True)
    assert list(folder.iterdir()) == []


def test_a_command_line_is_not_trusted_by_itself(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Where nobody can be asked it is refused, and shown, quoted."""
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match=r"(?s)was not agreed to; got .* 'a b' .*--trust-command-line"):
        start(line("-name", "a b"), [], trust=False)
    assert list(folder.iterdir()) == []


ASK = "import sys; from domctx_qmp.start import agree; agree(sys.argv[1:], trust=False); print('agreed')"


@pytest.mark.parametrize(("answer", "agreed"), [("y", True), ("n", False), ("", False)])
def test_on_a_terminal_one_is_asked(answer: str, agreed: bool) -> None:
    """What would be started is shown first, and what a terminal obeys is not; no is the default."""
    said = on_terminal([sys.executable, "-c", ASK, "/bin/qemu", "-name", "\x1b[2J; rm"], f"{answer}\n")
    assert "The image says to start:\r\n  /bin/qemu -name '\\x1b[2J; rm'\r\nStart it? [y/N]" in said
    assert ("agreed\r\n" in said, "was not agreed to" in said) == (agreed, not agreed)


def test_a_socket_has_room_in_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where temporary files have long names it stands in /tmp; where there are none that is told."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * LONGEST)))
    found = private_folder()
    assert found.parent == Path("/tmp")
    found.rmdir()
    monkeypatch.setattr(tempfile, "tempdir", "/no")
    with pytest.raises(DomainError, match="/no: No such file or directory"):
        private_folder()
