"""A save of a real QEMU that ends early: the guest is given back as it was found, whatever ends it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.live_saves import held, limited, machine, ticks
from helpers.real_qemu import PATIENCE, RealQemu

END = 16
"""Octets of the record that ends an image, all zero."""


@pytest.fixture
def qemu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealQemu]:
    """A machine whose BIOS counts ticks."""
    with machine(tmp_path_factory.mktemp("qemu")) as qemu:
        qemu.start()
        wait_for_ticks(qemu, 0)
        yield qemu


def wait_for_ticks(qemu: RealQemu, before: int) -> None:
    """Wait until the guest has counted further."""
    last = time.monotonic() + PATIENCE
    while ticks(qemu) <= before:
        assert time.monotonic() < last
        time.sleep(0.05)


def wait_until_undone(qemu: RealQemu) -> None:
    """Wait until QEMU migrates as it did before: a guardian needs its time."""
    last = time.monotonic() + PATIENCE
    while qemu.qmp("query-migrate-parameters")["max-bandwidth"] != 128 << 20:
        assert time.monotonic() < last
        time.sleep(0.05)


def runs_on(qemu: RealQemu) -> None:
    """The guest runs, and nothing is left of the save."""
    qemu.wait_status("running")
    wait_for_ticks(qemu, ticks(qemu))
    wait_until_undone(qemu)
    assert not any(row["state"] for row in qemu.qmp("query-migrate-capabilities"))
    assert qemu.qmp("query-migrate")["status"] in ("cancelled", "failed", "completed")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_a_signal_gives_the_guest_back(qemu: RealQemu, number: signal.Signals, code: int) -> None:
    """A guest that ran runs on, before the save has ended."""
    with held(qemu) as process:
        assert qemu.status() == "paused"
        process.send_signal(number)
        assert process.wait(PATIENCE) == code
        assert qemu.status() == "running"
    assert qemu.qmp("query-fdsets") == []
    runs_on(qemu)


def test_the_guardian_gives_the_guest_back(qemu: RealQemu) -> None:
    """A guest that ran runs on when domctx is killed, and QEMU migrates as before."""
    qemu.qmp("migrate-set-capabilities", capabilities=[{"capability": "release-ram", "state": True}])
    with held(qemu) as process:
        assert qemu.status() == "paused"
        assert not any(row["state"] for row in qemu.qmp("query-migrate-capabilities"))
        process.kill()
    qemu.wait_status("running")
    wait_until_undone(qemu)
    states = {row["capability"]: row["state"] for row in qemu.qmp("query-migrate-capabilities")}
    assert states.pop("release-ram")
    assert not any(states.values())
    qemu.qmp("migrate-set-capabilities", capabilities=[{"capability": "release-ram", "state": False}])
    runs_on(qemu)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=str)
def test_a_guest_found_paused_stays_paused(qemu: RealQemu, number: signal.Signals) -> None:
    """Whether domctx is killed or told to end; it never runs."""
    qemu.qmp("stop")
    before = ticks(qemu)
    with held(qemu) as process:
        process.send_signal(number)
        process.wait(PATIENCE)
    qemu.wait_migration("cancelled", "failed")
    assert qemu.status() == "paused"
    assert ticks(qemu) == before
    qemu.qmp("cont")
    runs_on(qemu)


def test_a_full_disk_gives_the_guest_back(qemu: RealQemu, tmp_path: Path) -> None:
    """The save says so and leaves nothing; the guest runs on."""
    done = limited(qemu, tmp_path / "a.dctx")
    assert done.returncode == 6
    assert "File too large\n  free some space" in done.stderr
    assert list(tmp_path.iterdir()) == []
    runs_on(qemu)


def test_a_migration_that_somebody_ends(qemu: RealQemu) -> None:
    """Is told in QEMU's words; the guest runs on."""
    with held(qemu) as process:
        qemu.qmp("migrate_cancel")
        _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 6
    assert b"QEMU's migration ended as 'cancelled'" in told
    runs_on(qemu)


@pytest.mark.parametrize(
    ("what", "done"), [("cont", b"continued by somebody else"), ("system_reset", b"reset by somebody else")]
)
@pytest.mark.parametrize("then", ["continue", "quit"])
def test_a_guest_that_somebody_else_lets_go_on(tmp_path: Path, what: str, done: bytes, then: str) -> None:
    """What was taken of it is of no one moment: it has no end, and the guest runs on, also where QEMU was to quit."""
    shared = ("-object", f"memory-backend-memfd,id=m,size={96 << 20},share=on", "-machine", "pc,memory-backend=m")
    with machine(tmp_path, *shared, "-m", "96") as qemu:
        qemu.start()
        with held(qemu, "--then", then) as process:
            qemu.qmp(what)
            octets, told = process.communicate(timeout=PATIENCE)
        assert process.returncode == 6
        assert b"the guest was " + done in told
        assert octets[-END:] != bytes(END)
        runs_on(qemu)


def test_a_qemu_that_ends_is_told(qemu: RealQemu) -> None:
    """When QEMU ends in the middle of a save, that is an error, and the save does not wait for it."""
    with held(qemu) as process:
        qemu.kill()
        _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 6
    assert b"the connection to QEMU is lost, and cannot be made again; got Connection refused\n  where QEMU has" in told
