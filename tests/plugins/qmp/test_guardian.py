"""The guardian: what it does when the process that it watches is no more."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domctx.cli.run import run
from domctx.errors import DomainError
from domctx_qmp import guardian, guarding
from domctx_qmp.guarding import Guard
from helpers.real_qemu import BARE, PATIENCE, RealQemu, narrow


@pytest.fixture
def qemu() -> Iterator[RealQemu]:
    """A machine that runs its BIOS."""
    with RealQemu(*BARE, "-machine", "pc", "-m", "16") as qemu:
        yield qemu.start()


def watched(path: object) -> subprocess.Popen[bytes]:
    """A guardian of the socket ``path``, ready."""
    line = [sys.executable, "-I", "-S", guardian.__file__, str(path)]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == guardian.READY
    return process


def ended(process: subprocess.Popen[bytes], *words: Any) -> int:
    """Tell it something, and leave; what it exits with."""
    process.communicate("".join(json.dumps(word) + "\n" for word in words).encode(), timeout=PATIENCE)
    return process.returncode


def test_it_continues_a_guest(qemu: RealQemu) -> None:
    """That was found running, and undoes what was told it; signals do not end it."""
    process = watched(qemu.socket)
    qemu.qmp("stop")
    qemu.qmp("migrate-set-parameters", max_bandwidth=1 << 40)
    qemu.qmp("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(number)
    changed = {
        "running": True,
        "parameters": {"max-bandwidth": 1 << 20},
        "capabilities": [{"capability": "events", "state": False}],
        "fdsets": [3],
    }
    assert ended(process, {"running": False}, changed) == 0
    assert qemu.status() == "running"
    assert qemu.qmp("query-migrate-parameters")["max-bandwidth"] == 1 << 20
    assert not any(row["state"] for row in qemu.qmp("query-migrate-capabilities"))


def test_it_ends_a_migration(qemu: RealQemu) -> None:
    """That nobody reads any more, before it continues the guest."""
    qemu.qmp("stop")
    reading, writing = os.pipe()
    uri = qemu.give(narrow(writing))
    os.close(writing)
    qemu.qmp("migrate", uri=uri)
    qemu.wait_migration("active")
    process = watched(qemu.socket)
    os.close(reading)
    assert ended(process, {"running": True}) == 0
    assert qemu.wait_migration("cancelled", "failed")
    assert qemu.status() == "running"


def test_it_ends_a_migration_that_stands_still(qemu: RealQemu) -> None:
    """Somebody has the other end, and reads nothing: it would never end by itself."""
    qemu.qmp("stop")
    reading, writing = socket.socketpair()
    uri = qemu.give(narrow(writing.fileno()))
    writing.close()
    qemu.qmp("migrate", uri=uri)
    qemu.wait_migration("active")
    assert ended(watched(qemu.socket), {"running": True}) == 0
    assert qemu.wait_migration("cancelled")
    assert qemu.status() == "running"
    reading.close()


@pytest.mark.parametrize("words", [(), ({"running": True}, guardian.RELEASED)])
def test_it_does_nothing(qemu: RealQemu, words: tuple[Any, ...]) -> None:
    """Where nothing was begun, or it was released."""
    qemu.qmp("stop")
    assert ended(watched(qemu.socket), *words) == 0
    assert qemu.status() == "paused"


def test_a_guest_that_is_not_to_run_stands(qemu: RealQemu) -> None:
    """What was changed is undone all the same."""
    qemu.qmp("stop")
    assert ended(watched(qemu.socket), {"running": False, "parameters": {"max-bandwidth": 1 << 20}}) == 0
    assert qemu.status() == "paused"
    assert qemu.qmp("query-migrate-parameters")["max-bandwidth"] == 1 << 20


def test_a_word_that_was_cut_does_not_count() -> None:
    """Nor does anything before the last whole one."""
    assert guardian.last_word([b'{"running": true}\n', b'"relea']) == {"running": True}
    assert guardian.last_word([b'{"run']) is None


def test_a_qemu_that_is_gone_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there any more; a QEMU that is busy with another client is tried for its time."""
    monkeypatch.setattr(guardian, "PAUSE", 0.001)
    assert not guardian.rescue(str(tmp_path / "none"), {"running": True})
    assert ended(watched(tmp_path / "none"), {"running": True}) == 1


def test_it_tries_for_its_time(qemu: RealQemu, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another client is connected, which it is not told of."""
    from domctx_qmp.monitor import Monitor

    monkeypatch.setattr(guardian, "ANSWER", 0.05)
    with Monitor(str(qemu.socket)):
        assert not guardian.rescue(str(qemu.socket), {"running": True}, patience=0.1)


def test_a_guest_that_does_not_run_is_not_given_back() -> None:
    """Although QEMU answers all the time that there is: it waits for a migration that nobody sends."""
    with RealQemu(*BARE, "-machine", "pc", "-m", "16", "-incoming", "defer") as qemu:
        qemu.start()
        assert not guardian.rescue(str(qemu.socket), {"running": True}, patience=0.2)


def test_a_guard_starts_and_ends(qemu: RealQemu) -> None:
    """Released, or left: then the guest is continued."""
    for leave in (False, True):
        guard = Guard(str(qemu.socket))
        guard.ready()
        guard.tell({"running": True})
        qemu.qmp("stop")
        if leave:
            guard.leave()
            qemu.wait_status("running")
            assert ended_by_itself(guard._process.pid)
        else:
            guard.release()
            guard.tell({"running": True})  # nobody listens any more
            assert qemu.status() == "paused"


KILLED = """
import os, signal, sys
from domctx_qmp.guarding import Guard
guard = Guard(sys.argv[1])
guard.ready()
guard.tell({"running": True})
os.killpg(0, signal.SIGKILL)
"""


def test_a_saver_that_is_killed_with_all_its_group(qemu: RealQemu) -> None:
    """At once after it told what it changed: the guardian is of no group that the saver is of, and knows of it."""
    qemu.qmp("stop")
    saver = subprocess.run([sys.executable, "-c", KILLED, str(qemu.socket)], start_new_session=True)
    assert saver.returncode == -signal.SIGKILL
    assert qemu.wait_status("running")


def ended_by_itself(pid: int) -> bool:
    """Whether a child ends, and nothing of it is left that nobody waited for."""
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.05)
    return False


def test_a_guard_that_is_released_while_it_starts(tmp_path: Path) -> None:
    """Ends, and leaves no process behind."""
    guard = Guard(str(tmp_path / "none"))
    guard.release()
    assert guard._process.returncode is not None


def test_a_guardian_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told: at once where there is no such program, and before it is needed where it ends, or says nothing."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(DomainError, match="cannot be started; got No such file or directory\n  the guest was not stop"):
        Guard("socket")
    monkeypatch.setattr(guarding, "START", 0.01)
    (silent := tmp_path / "silent").write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o700)
    for program in ("/bin/true", str(silent)):
        monkeypatch.setattr(sys, "executable", program)
        guard = Guard("socket")
        with pytest.raises(DomainError, match="cannot be started; got it does not start"):
            guard.ready()
        guard.release()
        assert guard._process.returncode is not None


def test_nothing_is_changed_without_a_guardian(qemu: RealQemu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guest runs on, no image is written, and the guardian that does not start is gone."""
    monkeypatch.setattr(sys, "executable", "/bin/true")
    goal = tmp_path / "a.dctx"
    assert run(["save", f"qmp:{qemu.socket}", str(goal)]) == 6
    assert qemu.status() == "running"
    assert list(tmp_path.iterdir()) == []
