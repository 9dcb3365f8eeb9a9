"""QEMU's monitor, spoken to synchronously."""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from domctx.cli.run import run
from domctx.errors import DomainError
from domctx_qmp import monitor as room
from domctx_qmp.monitor import Monitor
from helpers.live_loads import save
from helpers.real_qemu import BARE, RealQemu


@pytest.fixture
def qemu() -> Iterator[RealQemu]:
    """A machine that stands."""
    with RealQemu(*BARE, "-machine", "pc", "-m", "16", "-S") as qemu:
        yield qemu.start()


def test_an_interrupt_while_its_thread_starts(qemu: RealQemu, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends the thread, and is what is told."""

    def interrupted(thread: threading.Thread) -> None:
        thread.start()
        raise KeyboardInterrupt

    monkeypatch.setattr(room, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Monitor(str(qemu.socket))
    assert not [thread for thread in threading.enumerate() if thread.name == "domctx-qmp"]


def test_commands_and_events(qemu: RealQemu) -> None:
    """Commands are answered, events kept until they are asked for, and QEMU's process is known."""
    with Monitor(str(qemu.socket)) as monitor:
        assert (monitor.name, monitor.path) == (f"qmp:{qemu.socket}", str(qemu.socket))
        assert monitor.pid == qemu.pid
        assert monitor.status() == "prelaunch"
        monitor.execute("cont")
        monitor.execute("stop")
        assert [event["event"] for event in monitor.events()] == ["RESUME", "STOP"]
        assert monitor.events() == []
        assert "pc.ram" in monitor.human("info ramblock")
        assert not monitor.is_lost


def test_what_qemu_refuses_is_told_in_its_words(qemu: RealQemu) -> None:
    """With the command's name."""
    with (
        Monitor(str(qemu.socket)) as monitor,
        pytest.raises(DomainError, match="qmp: QEMU refuses 'nonsense'; got The command nonsense has not been found"),
    ):
        monitor.execute("nonsense")


def test_what_an_older_qemu_does_not_know(qemu: RealQemu) -> None:
    """Is asked for without an error; what QEMU refuses for other reasons is one."""
    with Monitor(str(qemu.socket)) as monitor:
        assert monitor.ask("query-status")["status"] == "prelaunch"
        assert monitor.ask("query-nonsense") is None
        with pytest.raises(DomainError, match="QEMU refuses 'device_del'"):
            monitor.ask("device_del")


def test_a_monitor_for_people() -> None:
    """Is named so that the right one is found; so is one that prints for people."""
    with RealQemu(*BARE, "-machine", "none") as other:
        human, pretty = other.folder / "human", other.folder / "pretty"
        other.args += (
            "-monitor",
            f"unix:{human},server=on,wait=off",
            "-qmp-pretty",
            f"unix:{pretty},server=on,wait=off",
        )
        other.start()
        for path in (human, pretty):
            with pytest.raises(DomainError, match=r"speaks no QMP; .*\n  name a socket of QEMU's -qmp"):
                Monitor(str(path))


def test_a_second_client_is_not_greeted(qemu: RealQemu, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one is connected; that is told, and the next one is greeted when it has gone."""
    with Monitor(str(qemu.socket)):
        monkeypatch.setattr(room, "GREETING", 0.2)
        with pytest.raises(DomainError, match="QEMU does not greet\n  a socket serves one client at a time"):
            Monitor(str(qemu.socket))
        monkeypatch.undo()
    Monitor(str(qemu.socket)).close()


def test_a_qemu_that_ends(qemu: RealQemu) -> None:
    """Leaves a connection that is lost, for good; closing it twice is no harm."""
    with Monitor(str(qemu.socket)) as monitor:
        qemu.kill()
        for _ in range(2):
            with pytest.raises(DomainError, match="the connection to QEMU is lost, at 'query-status'"):
                monitor.status()
        assert monitor.is_lost
        with pytest.raises(DomainError, match=r"Connection refused|No such file"):
            monitor.reconnect()
        monitor.close()
    with pytest.raises(DomainError, match="is lost"):
        monitor.status()
    monitor.close()


def test_where_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to do is told: for a socket that is not there, one whose QEMU has ended, and a file that is none."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DomainError, match=r"vm\.sock: No such file or directory\n  start QEMU with -qmp unix:PATH"):
        Monitor("vm.sock")
    with socket.socket(socket.AF_UNIX) as link:
        link.bind("vm.sock")
    with pytest.raises(DomainError, match=r"vm\.sock: Connection refused\n  nobody listens there: has QEMU ended"):
        Monitor("vm.sock")
    Path("file").touch()
    with pytest.raises(DomainError, match="is this no socket"):
        Monitor("file")


def test_a_socket_of_another_user() -> None:
    """Who may speak to QEMU is told."""
    told = room._refused(PermissionError(errno.EACCES, "Permission denied"), "qmp:s")
    assert str(told).startswith("qmp:s: Permission denied\n  only who may write to the socket may speak to QEMU")


def test_a_lost_connection_is_made_again(qemu: RealQemu) -> None:
    """To the same QEMU."""
    with Monitor(str(qemu.socket)) as monitor:
        monitor._drop()
        assert monitor.is_lost
        monitor.reconnect()
        assert monitor.status() == "prelaunch"


def test_answers_are_not_waited_for_without_end(qemu: RealQemu) -> None:
    """Neither those to commands, nor states that do not come."""
    with Monitor(str(qemu.socket)) as monitor:
        with pytest.raises(DomainError, match="does not come to the end; expected within 0 s"):
            monitor.wait_for("the end", lambda: None, patience=0)
        os.kill(qemu.pid, 19)
        try:
            with pytest.raises(DomainError, match=r"does not answer 'query-status'; expected an answer within 0\.1 s"):
                monitor.execute("query-status", patience=0.1)
        finally:
            os.kill(qemu.pid, 18)


def serve(path: Path, *lines: bytes) -> threading.Thread:
    """Somebody who listens at a socket, says something to whoever comes, and goes."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def answer() -> None:
        link, _ = server.accept()
        for line in lines:
            link.sendall(line)
        link.close()
        server.close()

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


@pytest.mark.parametrize("line", [b"", b"SSH-2.0\r\n", b'{"QMP": 1}\r\n', b'{"return": {}}\n'])
def test_somebody_else_listens(line: bytes, tmp_path: Path) -> None:
    """Who does not greet as QEMU does is told to be none."""
    thread = serve(tmp_path / "s", line)
    with pytest.raises(DomainError, match="what listens there speaks no QMP"):
        Monitor(str(tmp_path / "s"))
    thread.join()


def answering(path: Path, answers: Mapping[str, object]) -> threading.Thread:
    """Somebody who speaks QMP to one client, and says the same whenever it is asked the same."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def answer() -> None:
        link, _ = server.accept()
        link.sendall(b'{"QMP": {"version": {}, "capabilities": []}}\n')
        while octets := link.recv(1 << 16):
            if octets == b" ":  # goes along with a descriptor
                continue
            message = json.loads(octets)
            found = answers.get(message["execute"], {})
            link.sendall(json.dumps({"return": found, "id": message.get("id")}).encode() + b"\n")
        link.close()
        server.close()

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def test_another_process_than_qemu(tmp_path: Path) -> None:
    """May have opened the socket: one that has no thread of a vCPU is not taken for QEMU."""
    thread = answering(tmp_path / "s", {"query-cpus-fast": [{"thread-id": 1}]})
    with Monitor(str(tmp_path / "s")) as monitor:
        assert monitor.pid == 0
    thread.join()


@pytest.mark.parametrize("cpus", [[], [{}], "nonsense", 7])
def test_answers_that_are_not_qemus(cpus: object, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Are told to be none, whatever they are."""
    thread = answering(tmp_path / "s", {"query-cpus-fast": cpus})
    assert run(["info", f"qmp:{tmp_path / 's'}"]) == 6
    assert "what listens there does not answer as QEMU does" in capfd.readouterr().err
    thread.join()


@pytest.mark.parametrize(
    "wrong", ["query-status", "query-target", "query-cpus-fast", "query-memdev", "query-version", "query-migrate"]
)
def test_a_load_into_what_is_no_qemu(wrong: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Is refused whichever of its answers is none of QEMU's."""
    with RealQemu(*BARE, "-machine", "pc", "-m", "16", "-S") as qemu:
        image = save(qemu.start(), tmp_path / "a.dctx")
        blocks, kind = qemu.hmp("info ramblock"), qemu.qmp("qom-get", path="/machine", property="type")
    answers = {
        "query-status": {"status": "inmigrate"},
        "query-target": {"arch": "x86_64"},
        "query-cpus-fast": [{"thread-id": 1}],
        "human-monitor-command": blocks,
        "qom-get": kind,
        "query-memdev": [],
        "query-version": {"qemu": {"major": 7, "minor": 2}},
    }
    thread = answering(tmp_path / "s", {**answers, wrong: 7})
    capfd.readouterr()
    assert run(["load", str(image), f"qmp:{tmp_path / 's'}"]) == 6
    assert f"domctx: qmp:{tmp_path / 's'}" in capfd.readouterr().err
    thread.join()


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    """Are told, with what to do where they are too long for a socket."""
    with pytest.raises(DomainError, match=r"qmp:.*none: No such file or directory"):
        Monitor(str(tmp_path / "none"))
    with pytest.raises(DomainError, match="path too long\n  name it from nearer by"):
        Monitor("x" * 200)
