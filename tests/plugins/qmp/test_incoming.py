"""The pipe into a QEMU that waits."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from domctx.errors import DomainError
from domctx_qmp import incoming
from domctx_qmp.incoming import Incoming
from domctx_qmp.monitor import Monitor
from helpers.live_loads import SMALL, waiting
from helpers.real_qemu import RealQemu


@pytest.fixture
def qemu() -> Iterator[RealQemu]:
    """A QEMU that waits."""
    with waiting() as qemu:
        yield qemu


@pytest.fixture
def monitor(qemu: RealQemu) -> Iterator[Monitor]:
    """A connection to it."""
    with Monitor(str(qemu.socket)) as monitor:
        yield monitor


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A stream that such a machine takes."""
    with RealQemu(*SMALL, "-S") as qemu:
        return qemu.start().save(tmp_path_factory.mktemp("streams") / "a").read_bytes()


def test_octets_come_as_they_are_given(monitor: Monitor, stream: bytes) -> None:
    """In pieces of any size; at the end QEMU has loaded them."""
    pipe = Incoming(monitor)
    pipe.write(stream[:100])
    pipe.write(bytearray(b""))
    pipe.write(memoryview(stream)[100:300_000])
    for start in range(300_000, len(stream), 50_000):
        pipe.write(stream[start : start + 50_000])
    pipe.close()
    assert monitor.status() == "prelaunch"
    pipe.abandon()


def test_without_its_end_a_stream_is_refused(qemu: RealQemu, monitor: Monitor, stream: bytes) -> None:
    """QEMU ends; it never takes silence for the end."""
    pipe = Incoming(monitor, lambda: "none")
    end = stream.rindex(b"\0\6", 0, stream.index(b'{"', len(stream) // 2))
    pipe.write(stream[:end])
    with pytest.raises(DomainError, match="QEMU refuses the state, and has ended; got none"):
        pipe.close()
    assert qemu.process is not None
    assert qemu.process.wait(60) != 0


def test_a_qemu_that_waits_elsewhere() -> None:
    """Takes no second stream; what to do is told, and it waits on."""
    with RealQemu(*SMALL) as qemu:
        qemu.start(f"unix:{qemu.folder / 'incoming'}")
        with Monitor(str(qemu.socket)) as monitor:
            with pytest.raises(DomainError, match="already been started\n  start QEMU with -incoming defer"):
                Incoming(monitor)
            assert monitor.status() == "inmigrate"


def test_why_qemu_does_not_answer(qemu: RealQemu, monitor: Monitor) -> None:
    """What it was sent, where it has ended; an error that it told itself stays."""
    pipe, error = Incoming(monitor, lambda: "its words"), DomainError("error")
    assert pipe.why(error) is error
    qemu.kill()
    with pytest.raises(DomainError, match="is lost"):
        monitor.status()
    assert str(pipe.why(error)).endswith("QEMU refuses the state, and has ended; got its words")
    pipe.abandon()


def test_what_is_no_stream(qemu: RealQemu, monitor: Monitor) -> None:
    """QEMU ends while it is sent more; where its words are is said."""
    pipe = Incoming(monitor)
    with pytest.raises(DomainError, match=r"(?s)QEMU refuses the state, and has ended\n.*standard error"):
        pipe.write(bytes(64 << 20))
    pipe.abandon()


def test_a_qemu_that_hangs(qemu: RealQemu, monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes nothing more, and one that does not come to an end, is not waited for without end."""
    monkeypatch.setattr(incoming, "PATIENCE", 0.1)
    pipe = Incoming(monitor)
    os.kill(qemu.pid, signal.SIGSTOP)
    try:
        with pytest.raises(DomainError, match=r"QEMU takes no octet of the state; expected within 0.1 s"):
            pipe.write(bytes(1 << 22))
    finally:
        os.kill(qemu.pid, signal.SIGCONT)
    pipe.abandon()


def test_a_state_that_has_no_end(monitor: Monitor, stream: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU is not waited for without end."""
    pipe = Incoming(monitor)
    monkeypatch.setattr(incoming, "PATIENCE", 0.0)
    monkeypatch.setattr(pipe, "_look", lambda: "active")
    with pytest.raises(DomainError, match="QEMU does not come to an end with the state"):
        pipe.close()


def test_a_failure_in_qemus_words(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer QEMU may stay, and say why it refused."""
    pipe = Incoming(monitor)
    answers = {"query-migrate": {"status": "failed", "error-desc": "no such device"}}
    monkeypatch.setattr(monitor, "execute", lambda command: answers[command])
    with pytest.raises(DomainError, match="QEMU refuses the state; got no such device"):
        pipe.close()


def test_a_newer_qemu_is_asked_to_stay(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 9.1 on; this one is older."""
    versions = [{"qemu": {"major": 9, "minor": 1}}, {"qemu": {"major": 8, "minor": 2}}]
    monkeypatch.setattr(monitor, "execute", lambda command: versions.pop(0))
    assert incoming._staying(monitor) == {"exit-on-error": False}
    assert incoming._staying(monitor) == {}


def test_a_qemu_that_does_not_wait() -> None:
    """It refuses to begin, in its own words, and no descriptor is left open."""
    with RealQemu(*SMALL, "-S") as qemu, Monitor(str(qemu.start().socket)) as monitor:
        before = os.listdir("/proc/self/fd")
        with pytest.raises(DomainError, match="QEMU refuses 'migrate-incoming'"):
            Incoming(monitor)
        assert os.listdir("/proc/self/fd") == before
