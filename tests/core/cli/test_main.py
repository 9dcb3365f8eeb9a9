"""``domctx.cli.main``: the version at once, everything else by the command line, and the exit code of the process."""

from __future__ import annotations

import atexit
import gc
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator

import pytest

import domctx
from domctx.cli import main as cli_main, run as cli_run
from helpers import distributions


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """What a command asks of the collector ends with the test: the process goes on, and would keep all cycles."""
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    atexit.unregister(gc.freeze)


def called(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of ``main`` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["domctx", *arguments])
    return cli_main.main()


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """--version alone is answered without the command line."""
    monkeypatch.setattr(cli_run, "run", None)
    assert called(monkeypatch, "--version") == 0
    assert capsys.readouterr() == (f"domctx {domctx.__version__}\n", "")


def test_version_imports_nothing() -> None:
    """For --version neither click nor pluggy is imported."""
    program = (
        "import sys; from domctx.cli.main import main; sys.argv = ['domctx', '--version']; main()\n"
        "print(sorted({'click', 'pluggy', 'numpy', 'domctx.cli.run'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "[]"


def test_arguments_and_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else goes to the command line as it is, whose exit code comes back."""
    seen = []

    def run(arguments: list[str]) -> int:
        seen.append(arguments)
        return 4

    monkeypatch.setattr(cli_run, "run", run)
    assert called(monkeypatch, "--version", "info", "-") == 4
    assert seen == [["--version", "info", "-"]]


def test_an_early_interrupt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C before the command line catches signals ends with one line and 130."""

    def interrupted(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_run, "run", interrupted)
    assert called(monkeypatch, "formats") == 130
    assert capsys.readouterr() == ("", "domctx: interrupted\n")


def test_as_a_script(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Run as a script, the process exits with the code."""
    monkeypatch.setattr(sys, "argv", ["domctx", "info"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(cli_main.__file__, run_name="__main__")
    assert ended.value.code == 2
    assert "Missing argument 'FILE'" in capsys.readouterr().err


def test_as_a_process() -> None:
    """``python -m domctx.cli.main`` is the command."""
    done = distributions.domctx("--version")
    assert (done.returncode, done.stdout.decode()) == (0, f"domctx {domctx.__version__}\n")
    assert distributions.domctx("no-such-command").returncode == 2


def test_numpy_makes_no_threads() -> None:
    """Whoever runs a command has one thread after numpy was imported, unless the environment wishes for more."""
    program = (
        "import os, sys; sys.argv = ['domctx', 'info', '/dev/null']; from domctx.cli.main import main; main()\n"
        "import numpy; print(os.environ['OPENBLAS_NUM_THREADS'], len(os.listdir('/proc/self/task')))"
    )
    plain = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    for environment, wished in ((plain, "1"), ({**plain, "OPENBLAS_NUM_THREADS": "2"}, "2")):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
        )
        assert done.stdout.split()[0] == wished
        assert wished != "1" or done.stdout.split()[1] == "1"
