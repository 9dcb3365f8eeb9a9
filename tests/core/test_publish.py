"""Tests of domctx.publish: files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domctx.errors import DomainError, UsageError
from domctx.publish import publish, publish_directory, refuse_existing, sync_file


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(os.listdir(folder))


def run(road: Any, goal: Path, inside: Callable[[Any], object], *, force: bool = False) -> None:
    """Publish ``goal``; what is inside the block is a function of what it gives."""
    with road(goal, force=force) as made:
        inside(made)


def raising(error: BaseException) -> Callable[[Any], object]:
    """A block that writes something, then fails."""

    def inside(made: Any) -> None:
        if isinstance(made, Path):
            (made / "new").touch()
        else:
            made.write(b"new")
        raise error

    return inside


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    """Until then there is only a partial one, and both are the owner's alone."""
    goal = tmp_path / "a.dctx"
    with publish(goal) as file:
        file.write(b"octets")
        assert [name.startswith(".a.dctx.") and name.endswith(".partial") for name in names(tmp_path)] == [True]
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
    assert names(tmp_path) == ["a.dctx"]
    assert goal.read_bytes() == b"octets"
    assert stat.S_IMODE(goal.stat().st_mode) == 0o600


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    """Of whatever kind, and it comes out as it is."""
    for kind in (ValueError, KeyboardInterrupt, SystemExit):
        for road in (publish, publish_directory):
            with pytest.raises(kind, match="stop"):
                run(road, tmp_path / "a", raising(kind("stop")))
    assert names(tmp_path) == []


def test_a_partial_file_that_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk does not let go of it the cause of the failure is told; of a file that is published, this is."""

    def harden(file: Any) -> None:
        partial = tmp_path / names(tmp_path)[0]
        partial.unlink()
        partial.mkdir()
        raise DomainError("the disk is full")

    with pytest.raises(DomainError, match=r"^the disk is full$"):
        run(publish, tmp_path / "a", harden)
    assert names(tmp_path)[0].endswith(".partial")

    def unlink(path: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(os, "unlink", unlink)
    with pytest.raises(DomainError, match="b: Input/output error"):
        run(publish, tmp_path / "b", lambda file: file.write(b"whole"))
    assert (tmp_path / "b").read_bytes() == b"whole"


@pytest.mark.parametrize("road", [publish, publish_directory])
def test_a_folder_that_cannot_be_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, road: Any) -> None:
    """Where it cannot be opened for that, nothing is published."""
    real = os.open

    def opened(path: str | Path, *arguments: Any, **more: Any) -> int:
        if Path(path) == tmp_path:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", opened)
    with pytest.raises(DomainError, match="a: Too many open files"):
        run(road, tmp_path / "a", lambda made: None)
    assert names(tmp_path) == []


def test_what_exists_is_not_replaced(tmp_path: Path) -> None:
    """Without force: not a file, not a folder, not a link to nowhere."""
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        for road in (publish, publish_directory):
            with pytest.raises(UsageError, match=f"{name}: exists already\n  choose another name, or pass --force"):
                road(tmp_path / name).__enter__()
        refuse_existing(tmp_path / name, force=True)
    assert names(tmp_path) == ["file", "link"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_force_replaces_a_file_at_the_end(tmp_path: Path) -> None:
    """And keeps it, octet for octet, when the block fails."""
    goal = tmp_path / "a"
    goal.write_bytes(b"old")
    with pytest.raises(ValueError, match="stop"):
        run(publish, goal, raising(ValueError("stop")), force=True)
    assert goal.read_bytes() == b"old"
    with publish(goal, force=True) as file:
        file.write(b"new")
        assert goal.read_bytes() == b"old"
    assert goal.read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_a_name_that_ends_as_a_folders_does(tmp_path: Path) -> None:
    """Is no file's, whether the folder is there or not."""
    with pytest.raises(UsageError, match="a/: names a folder\n  add the name of a file"):
        publish(f"{tmp_path}/a/").__enter__()
    assert names(tmp_path) == []


def test_no_name_is_no_files() -> None:
    """It is refused before anything is made."""
    for force in (False, True):
        with pytest.raises(UsageError):
            publish("", force=force).__enter__()


@pytest.mark.parametrize("name", ["/dev/null", "folder", "pipe"])
def test_force_replaces_nothing_but_files(tmp_path: Path, name: str) -> None:
    """A device, a folder and a pipe stay what they are."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is no regular file, and is not replaced"):
        publish(tmp_path / name, force=True).__enter__()
    assert names(tmp_path) == ["folder", "pipe"]


def test_a_goal_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    """Publishing is exclusive: the other's file wins, ours is gone."""
    goal = tmp_path / "a"
    with pytest.raises(UsageError, match="exists already"):
        run(publish, goal, lambda file: goal.write_bytes(b"theirs"))
    assert goal.read_bytes() == b"theirs"
    assert names(tmp_path) == ["a"]
    with pytest.raises(UsageError, match="exists already"):
        run(publish_directory, tmp_path / "b", lambda folder: (tmp_path / "b").mkdir())
    assert names(tmp_path / "b") == []


def test_a_goal_that_appears_and_goes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told as the disk told it."""

    def link(*names: object) -> None:
        raise FileExistsError(errno.EEXIST, "there")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(DomainError, match="a: File exists"):
        run(publish, tmp_path / "a", str)
    assert names(tmp_path) == []


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told with what to do; force needs none."""

    def link(*names: object) -> None:
        raise PermissionError(errno.EPERM, "not permitted")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(DomainError, match="cannot be published; got not permitted\n  the file system may have no hard"):
        run(publish, tmp_path / "a", str)
    run(publish, tmp_path / "b", str, force=True)
    assert names(tmp_path) == ["b"]


@pytest.mark.parametrize("road", [publish, publish_directory])
def test_a_folder_that_is_not_there(tmp_path: Path, road: Any) -> None:
    """Is told before anything is made."""
    with pytest.raises(DomainError, match="missing/a: No such file or directory"):
        road(tmp_path / "missing" / "a").__enter__()


def test_long_names_leave_room_for_the_partial_one(tmp_path: Path) -> None:
    """A name of 250 octets can be published."""
    with publish(tmp_path / ("ä" * 125)) as file:
        file.write(b"x")
    assert names(tmp_path) == ["ä" * 125]
    with pytest.raises(DomainError, match="File name too long"):
        run(publish, tmp_path / ("x" * 256), str)


def test_a_refusal_of_the_disk_in_the_block_is_told(tmp_path: Path) -> None:
    """As the goal's."""
    for road in (publish, publish_directory):
        with pytest.raises(DomainError, match="a: No space left on device"):
            run(road, tmp_path / "a", raising(OSError(errno.ENOSPC, "full")))
    assert names(tmp_path) == []


def test_a_folder_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file and folder in it is flushed first, and it is the owner's alone."""
    flushed: list[str] = []
    real = os.fsync

    def fsync(number: int) -> None:
        flushed.append(os.readlink(f"/proc/self/fd/{number}"))
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    with publish_directory(tmp_path / "m") as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "frames").write_bytes(b"x")
        (folder / "socket").symlink_to("nowhere")
        assert names(tmp_path) == [folder.name]
    assert names(tmp_path) == ["m"]
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o700
    assert [Path(name).name for name in flushed] == ["inner", "frames", folder.name, tmp_path.name]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("goal", ["a", "folder/a"])
def test_a_file_is_on_the_disk_when_it_has_appeared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goal: str, force: bool
) -> None:
    """Its octets are flushed before it is named, and its name is flushed before the block is left."""
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    told: list[tuple[str, str]] = []
    fsync, naming = os.fsync, "rename" if force else "link"
    name = getattr(os, naming)

    def flush(number: int) -> None:
        told.append(("flush", os.readlink(f"/proc/self/fd/{number}")))
        fsync(number)

    def called(partial: str, goal: str) -> None:
        told.append(("name", goal))
        name(partial, goal)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, naming, called)
    with publish(goal, force=force) as file:
        partial = os.readlink(f"/proc/self/fd/{file.fileno()}")
        file.write(b"octets")
    assert told == [("flush", partial), ("name", goal), ("flush", str((tmp_path / goal).parent))]


def test_force_replaces_a_folder_at_the_end(tmp_path: Path) -> None:
    """And keeps it when the block fails."""
    goal = tmp_path / "m"
    goal.mkdir()
    (goal / "old").touch()
    with pytest.raises(ValueError, match="stop"):
        run(publish_directory, goal, raising(ValueError("stop")), force=True)
    assert names(goal) == ["old"]
    with publish_directory(goal, force=True) as folder:
        (folder / "new").touch()
    assert names(goal) == ["new"]
    assert names(tmp_path) == ["m"]


@pytest.mark.parametrize("failing", [1, 2])
def test_a_folder_that_cannot_be_replaced_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Whether the old one cannot be moved aside or the new one not into its place."""
    goal = tmp_path / "m"
    goal.mkdir()
    (goal / "old").touch()
    calls: list[Path] = []
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == failing:
            raise OSError(errno.EIO, "broken")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(DomainError, match="m: Input/output error"):
        run(publish_directory, goal, str, force=True)
    assert names(goal) == ["old"]
    assert names(tmp_path) == ["m"]


ENDED = """
import os, pathlib, signal, sys
from domctx.publish import publish, publish_directory

call, number, road = sys.argv[2], int(sys.argv[3]), {"f": publish, "d": publish_directory}[sys.argv[4]]

def end(*details):
    raise SystemExit(143)

signal.signal(signal.SIGTERM, end)
real, calls = getattr(os, call), 0

def ended(*arguments, **more):
    global calls
    calls += 1
    found = real(*arguments, **more)
    if calls == number:
        os.kill(os.getpid(), signal.SIGTERM)
    return found

setattr(os, call, ended)
with road(sys.argv[1], force=len(sys.argv) > 5) as made:
    if road is publish_directory:
        pathlib.Path(made, "new").touch()
    else:
        made.write(b"new")
"""


@pytest.mark.parametrize(
    ("call", "number", "road", "force", "there"),
    [
        ("open", 1, "f", False, []),
        ("link", 1, "f", False, ["a"]),
        ("rename", 1, "f", True, ["a"]),
        ("mkdir", 1, "d", False, []),
        ("mkdir", 2, "d", True, ["a", "a/old"]),
        ("rename", 1, "d", True, ["a", "a/old"]),
        ("rename", 2, "d", True, ["a", "a/new"]),
    ],
)
def test_a_signal_leaves_nothing_beside(
    tmp_path: Path, call: str, number: int, road: str, force: bool, there: list[str]
) -> None:
    """One that unwinds as soon as a file is made, or named, or a folder is moved: the goal is the old or the new."""
    if force and road == "d":
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "old").touch()
    line = [sys.executable, "-c", ENDED, str(tmp_path / "a"), call, str(number), road, *(["force"] if force else [])]
    ended = subprocess.run(line, check=False, capture_output=True, text=True)
    assert ended.returncode == 143, ended.stderr
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == there


def test_only_files_are_flushed_as_files(tmp_path: Path) -> None:
    """What is no file is left alone."""
    os.mkfifo(tmp_path / "pipe")
    sync_file(tmp_path / "pipe")


HOLD = """
import sys, time
from domctx.publish import publish
with publish(sys.argv[1], force=True) as file:
    file.write(b"half of it")
    print("now", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    """Or none; never half a one."""
    for old in (None, b"old"):
        goal = tmp_path / f"goal-{old is None}"
        if old is not None:
            goal.write_bytes(old)
        with subprocess.Popen([sys.executable, "-c", HOLD, str(goal)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"now\n"
            process.send_signal(signal.SIGKILL)
        assert (goal.read_bytes() if goal.exists() else None) == old
        assert sum(name.endswith(".partial") for name in names(tmp_path)) == 1
        for name in names(tmp_path):
            if name.endswith(".partial"):
                (tmp_path / name).unlink()


def test_a_limit_on_files_leaves_nothing(tmp_path: Path) -> None:
    """A file that may not grow is refused as a full disk is."""
    script = """
import resource, signal, sys
from domctx.publish import publish
from domctx.sinks import FileSink
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
try:
    with publish(sys.argv[1]) as file:
        FileSink(file.fileno(), sys.argv[1]).write(bytes(2 << 20))
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a")], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"DomainError {tmp_path / 'a'}: File too large\n  free some space")
    assert names(tmp_path) == []
