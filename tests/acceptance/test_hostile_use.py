"""What a careless or hostile user does: odd goals, closed streams, signals at bad moments, machines that are in use."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import mmap
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import attrs
import pytest

from domctx.cli import main as cli_main, run as cli_run
from domctx.cli.run import run
from domctx.errors import DomainError, UsageError
from domctx_sim.machine import Machine, new_folder
from helpers.machines import Saved, built
from helpers.whole_machine import image_of, states


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of a whole machine."""
    path = tmp_path_factory.mktemp("images") / "a.dctx"
    path.write_bytes(image_of(states()))
    return path


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kernel image that ``build`` takes."""
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "payload").write_bytes(b"\xf4\xeb\xfd")
    command = ["make-guest", str(folder / "payload"), "--load-address", "0xC0000000", "-o", str(folder / "guest.img")]
    assert run(command) == 0
    return folder / "guest.img"


def build(kernel: Path, machine: Path, *options: str) -> int:
    """The exit code of ``domctx build``."""
    return run(["build", str(kernel), f"sim:{machine}", "--memory", "4M", *options])


def process(*arguments: str, **details: object) -> subprocess.CompletedProcess[str]:
    """``domctx`` as a process of its own."""
    command = [sys.executable, "-m", "domctx.cli.main", *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **details)  # type: ignore[call-overload, no-any-return]  # details are subprocess's own


def test_a_goal_whose_name_is_too_long_is_refused_by_the_disk(image: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A name that no file can have ends in exit code 6, not in a bug."""
    goal = str(image.parent / ("n" * 300))
    assert run(["save", str(image), goal]) == 6
    assert "File name too long" in capfd.readouterr().err


def test_force_replaces_machines_and_empty_folders_only(
    kernel: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """--force takes no folder away that holds anything but a machine, nor a file, a pipe or a dangling link."""
    precious = tmp_path / "home"
    precious.mkdir()
    (precious / "thesis.tex").write_text("ten years")
    assert build(kernel, precious, "--force") == 2
    assert "holds more than a simulated machine" in capfd.readouterr().err
    assert (precious / "thesis.tex").read_text() == "ten years"
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    before = sorted(tmp_path.iterdir())
    assert [build(kernel, tmp_path / name, "--force") for name in ("file", "pipe", "link")] == [6, 6, 6]
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path / "m").mkdir()
    assert [build(kernel, tmp_path / "m", "--force") for _ in range(2)] == [0, 0]


def test_a_machine_in_use_is_not_replaced(kernel: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """While a command has a machine open, --force does not put another in its place."""
    assert build(kernel, tmp_path / "m") == 0
    inode = (tmp_path / "m").stat().st_ino
    with Machine(tmp_path / "m"):
        assert build(kernel, tmp_path / "m", "--force") == 6
        assert run(["convert", "--force", f"sim:{tmp_path / 'm'}", f"sim:{tmp_path / 'm'}"]) == 6
    assert capfd.readouterr().err.count("the machine is in use") == 2
    assert (tmp_path / "m").stat().st_ino == inode
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_machine_that_comes_into_use_is_not_replaced(kernel: Path, tmp_path: Path) -> None:
    """A machine that somebody opens, or a folder that fills, while its successor is made stays where it is."""
    assert build(kernel, tmp_path / "m") == 0
    (tmp_path / "e").mkdir()
    with (
        contextlib.ExitStack() as users,
        pytest.raises(DomainError, match="the machine is in use"),
        new_folder(tmp_path / "m", force=True),
    ):
        users.enter_context(Machine(tmp_path / "m"))
    with pytest.raises(UsageError, match="holds more than a"), new_folder(tmp_path / "e", force=True):
        (tmp_path / "e" / "theirs").write_text("")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e", "m"]
    Machine(tmp_path / "m", writable=True).close()


def test_a_machine_that_was_replaced_while_it_was_opened(
    kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who locks a folder that another has replaced a moment ago does not take it for the new one."""
    assert [build(kernel, tmp_path / name) for name in "mn"] == [0, 0]
    flock = fcntl.flock

    def late(descriptor: int, kind: int) -> None:
        (tmp_path / "m").rename(tmp_path / "o")
        (tmp_path / "n").rename(tmp_path / "m")
        flock(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(DomainError, match="the machine is in use"):
        Machine(tmp_path / "m")

    def broken(descriptor: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(DomainError, match="No locks available"):
        Machine(tmp_path / "m")
    monkeypatch.undo()
    Machine(tmp_path / "m", writable=True).close()


def test_a_machine_is_no_stream(image: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine cannot be loaded into standard output; a folder that is called - can be named."""
    monkeypatch.chdir(tmp_path)
    assert [run(["load", str(image), "sim:-"]), run(["convert", str(image), "sim:-"])] == [2, 2]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [["info"], ["info", "--json"], ["verify"], ["show"], ["types"]])
def test_output_that_cannot_be_written_is_the_disks_refusal(image: Path, command: list[str]) -> None:
    """A full disk behind standard output ends in exit code 6 with one line."""
    arguments = [] if command == ["types"] else [str(image)]
    with open("/dev/full", "w") as full:
        ended = process(*command, *arguments, stdout=full)
    assert (ended.returncode, ended.stderr.count("\n")) == (6, 2)
    assert "standard output: No space left on device" in ended.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
@pytest.mark.parametrize(
    "command", ["info {0}", "info -", "save {0} -", "--progress=json save {0} -", "load - sim:{1}", "convert - lgr:-"]
)
def test_closed_streams_are_no_bug(image: Path, tmp_path: Path, command: str, closed: str) -> None:
    """With standard input, output or error closed a command works, or is refused as wrong use."""
    line = f"{sys.executable} -m domctx.cli.main {command.format(image, tmp_path / 'm')} {closed}"
    if closed != ">&-":
        line += " >/dev/null"
    stdin = subprocess.DEVNULL
    ended = subprocess.run(["sh", "-c", line], stdin=stdin, capture_output=True, text=True, check=False)
    assert ended.returncode != 70, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "bug" not in ended.stderr


@pytest.mark.parametrize("command", ["verify {0}", "load {0} sim:{1}/n", "save {0} {1}/b", "convert {0} raw:{1}/b"])
def test_progress_does_not_pass_its_end(kernel: Path, tmp_path: Path, command: str) -> None:
    """What is counted is octets of the guest's memory, and so is what they are counted towards."""
    image = tmp_path / "a.dctx"
    assert build(kernel, tmp_path / "m") == 0
    assert run(["save", f"sim:{tmp_path / 'm'}", str(image)]) == 0
    ended = process("--progress=json", *command.format(image, tmp_path).split(), stdout=subprocess.DEVNULL)
    assert ended.returncode == 0
    row = json.loads(ended.stderr.splitlines()[-1])
    assert 0 < row["done"] <= row["total"]


def test_standard_error_that_nobody_reads_changes_no_exit_code(image: Path, tmp_path: Path) -> None:
    """A refusal is told by its exit code even where its message cannot be written."""
    python = [sys.executable, "-m", "domctx.cli.main"]
    note = ["-c", "from domctx.cli.session import Session; Session().note('a note')"]
    commands = {
        6: [*python, "info", str(tmp_path / "missing")],
        0: [*python, "--progress=json", "save", str(image), str(tmp_path / "b.dctx")],
    }
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    for code, command in commands.items():
        with open("/dev/full", "w") as full:
            ended = subprocess.run(command, stderr=full, stdout=subprocess.PIPE, check=False, env=buffered)
        assert (ended.returncode, ended.stdout) == (code, b"")
    with open("/dev/full", "w") as full:
        subprocess.run([sys.executable, *note], stderr=full, check=True)


@pytest.mark.parametrize("command", [["info", "-"], ["info", "dctx:-"], ["save", "lgr:-", "out"], ["verify", "lgr:-"]])
def test_standard_input_is_called_so(command: list[str], tmp_path: Path) -> None:
    """What is wrong with standard input is told by that name, not by that of the file it was spooled to."""
    ended = process(*command, cwd=tmp_path, input="junk" * 99, stdout=subprocess.PIPE)
    assert ended.returncode in (1, 3, 5)
    assert "standard input" in ended.stdout + ended.stderr
    assert "/proc" not in ended.stdout + ended.stderr


@pytest.mark.parametrize(("scheme", "code"), [("", 2), ("dctx:", 6)])
@pytest.mark.parametrize("command", ["info", "show", "convert"])
def test_a_pipe_that_nobody_writes_to_is_refused(command: str, scheme: str, code: int, tmp_path: Path) -> None:
    """A named pipe is no file: it is told how a pipe is read, and nobody waits for a writer."""
    os.mkfifo(tmp_path / "pipe")
    arguments = [f"{scheme}{tmp_path / 'pipe'}", *[str(tmp_path / "out.dctx")] * (command == "convert")]
    ended = process(command, *arguments, timeout=60)
    assert ended.returncode == code
    assert "a pipe is read as standard input: write - for it" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_file_of_another_kind_does_not_begin_with_start(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A file that is no image is told so, not that its first record is too long."""
    (tmp_path / "x").write_bytes(b"\x1f\x8b\x08\0" * 99)
    assert run(["info", f"dctx:{tmp_path / 'x'}"]) == 3
    assert "in START[0]: the file does not begin with START; got 1f 8b 08 00" in capfd.readouterr().err


def test_an_interrupt_before_the_command_begins_shows_no_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while modules are imported ends as it does later: one line, exit code 130."""

    def interrupted(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_run, "run", interrupted)
    monkeypatch.setattr(sys, "argv", ["domctx", "formats"])
    assert cli_main.main() == 130
    assert capsys.readouterr().err == "domctx: interrupted\n"


def test_an_interrupt_while_the_saving_thread_begins_leaves_nothing(
    kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal that comes between the threads of ``convert`` ends both, and leaves no folder."""
    import threading

    assert build(kernel, tmp_path / "m") == 0
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == "domctx-save":
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    assert run(["convert", f"sim:{tmp_path / 'm'}", f"sim:{tmp_path / 'n'}"]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert not [thread for thread in threading.enumerate() if thread.name == "domctx-save"]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """The states of a small domain that was suspended on its behalf."""
    return Saved.of(built(tmp_path / "m"))


@pytest.mark.parametrize("line", ["x" * 1024, "a\0b", "\u00e9"])
def test_a_command_line_that_no_machine_keeps(saved: Saved, tmp_path: Path, line: str) -> None:
    """A machine that could not be opened again is not made."""
    saved.description = attrs.evolve(saved.description, command_line=line)
    with pytest.raises(DomainError, match="bad command_line"):
        saved.load(tmp_path / "n")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_run_state_that_is_none(saved: Saved, tmp_path: Path) -> None:
    """A run state that nobody knows is refused, and told without its control characters."""
    saved.description = attrs.evolve(saved.description, run_state="gar\x1b[2Jbage")
    with pytest.raises(DomainError, match=r"the run state is not known; .* got 'gar\\x1b\[2Jbage'"):
        saved.load(tmp_path / "n")


def test_special_mappings_of_a_domain_that_suspended_itself(saved: Saved, tmp_path: Path) -> None:
    """A machine that could be loaded but never saved again is not made."""
    saved.tables = attrs.evolve(saved.tables, suspension=None)
    with pytest.raises(DomainError, match="a domain that suspended itself has given up all such"):
        saved.load(tmp_path / "n")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_too_little_address_space(saved: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a machine's frames cannot be mapped, the machine refuses; it is no bug."""

    def no_room(*arguments: object, **details: object) -> NoReturn:
        raise OSError(errno.ENOMEM, "no room")

    monkeypatch.setattr(mmap, "mmap", no_room)
    with pytest.raises(DomainError, match="Cannot allocate memory"):
        Machine(tmp_path / "m")


def test_plain_words_that_are_not_start_infos(saved: Saved, tmp_path: Path) -> None:
    """No frame's number is written into a page that a later save would take for the guest's own."""
    strange = attrs.evolve(saved.tables.special[0], pfn=5, index=1, flags=0)
    saved.tables = attrs.evolve(saved.tables, special=(strange,))
    with pytest.raises(DomainError, match="of plain words only start_info's names it"):
        saved.load(tmp_path / "n")


@pytest.mark.parametrize("command", [["show"], ["info"], ["info", "--json"], ["verify"]])
def test_output_that_nobody_reads(image: Path, command: list[str]) -> None:
    """A reader that has gone ends a command as SIGPIPE would: with exit code 141, and nothing said."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as gone:
        ended = process(*command, str(image), stdout=gone)
    assert (ended.returncode, ended.stderr) == (141, "")
