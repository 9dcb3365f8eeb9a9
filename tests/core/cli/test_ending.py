"""A save that ends early, in a process: nothing is left, and the machine is given back."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers import toys
from helpers.toy_cli import environment, make_site
from helpers.toy_machines import MACHINE, to_json

SIZE = 3 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a toy machine whose state is large."""
    make_site(tmp_path)
    (tmp_path / "m.toy").write_bytes(to_json(MACHINE, {toys.BULK: toys.Bulk(SIZE)}))
    return tmp_path


def names(folder: Path) -> list[str]:
    """What is in the folder but logs, the site, and what the toy tells."""
    return sorted(path.name for path in folder.iterdir() if path.name not in ("site", "held", "m.toy.log"))


def events(folder: Path) -> list[str]:
    """What happened to the machine."""
    return (folder / "m.toy.log").read_text().split()


@contextmanager
def held(folder: Path, *goal: str, stdout: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """``domctx save`` to a goal, stopped in the middle of a record."""
    command = [sys.executable, "-m", "domctx.cli.main", "save", "-O", f"hold={folder / 'held'}"]
    process = subprocess.Popen(
        [*command, f"toy:{folder / 'm.toy'}", *goal],
        cwd=folder,
        env=environment(folder),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 20
        while not (folder / "held").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_signal_leaves_nothing(folder: Path, number: signal.Signals, code: int, old: bytes | None) -> None:
    """No image, no partial file; an old one as it was; the machine goes on."""
    if old is not None:
        (folder / "a.dctx").write_bytes(old)
    with held(folder, "--force", "a.dctx") as process:
        assert events(folder) == ["pause"]
        process.send_signal(number)
        assert process.wait(20) == code
    assert events(folder) == ["pause", "unpause", "close"]
    assert names(folder) == (["m.toy"] if old is None else ["a.dctx", "m.toy"])
    if old is not None:
        assert (folder / "a.dctx").read_bytes() == old


def test_kill_leaves_no_goal(folder: Path) -> None:
    """Only a partial file that says so by its name; an old image stays as it was."""
    (folder / "b.dctx").write_bytes(b"old")
    for goal in ("a.dctx", "b.dctx"):
        (folder / "held").unlink(missing_ok=True)
        with held(folder, "--force", goal) as process:
            process.kill()
            assert process.wait(20) == -signal.SIGKILL
    left = names(folder)
    assert [name for name in left if not name.endswith(".partial")] == ["b.dctx", "m.toy"]
    assert {name.split(".")[1] for name in left if name.endswith(".partial")} == {"a", "b"}
    assert (folder / "b.dctx").read_bytes() == b"old"


def test_a_reader_that_goes_away(folder: Path) -> None:
    """Ends a save to a pipe with the disk's exit code; the machine goes on."""
    command = [sys.executable, "-m", "domctx.cli.main", "save", str(folder / "m.toy"), "-"]
    with subprocess.Popen(command, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(100)
        process.stdout.close()
        assert process.stderr.read() == b"domctx: standard output in BULK: Broken pipe\n"
        assert process.wait(20) == 6
    assert events(folder) == ["pause", "unpause", "close"]


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
from domctx.cli.run import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_disk_that_refuses(folder: Path, old: bytes | None) -> None:
    """In the middle of the image: exit code 6, and nothing is left."""
    if old is not None:
        (folder / "a.dctx").write_bytes(old)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "save", "--force", str(folder / "m.toy"), "a.dctx"],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6
    assert done.stderr == "domctx: a.dctx in BULK: File too large\n  free some space, and try again\n"
    assert names(folder) == (["m.toy"] if old is None else ["a.dctx", "m.toy"])
    assert events(folder) == ["pause", "unpause", "close"]
    if old is not None:
        assert (folder / "a.dctx").read_bytes() == old


def test_a_full_standard_output(folder: Path) -> None:
    """Is the disk's refusal, too."""
    command = [sys.executable, "-m", "domctx.cli.main", "save", str(folder / "m.toy"), "-"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, env=environment(folder), stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 6
    assert b"domctx: standard output" in done.stderr
    assert b"No space left on device" in done.stderr
