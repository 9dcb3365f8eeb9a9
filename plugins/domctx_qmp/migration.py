"""A migration into a pipe: begun, seen to its end, or ended early (formats/qemu.md 8)."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import Any, Final

from domctx.errors import DomainError, DomctxError
from domctx_qmp.guardian import MOVING
from domctx_qmp.monitor import Monitor

NAME: Final = "domctx-stream"
"""What QEMU calls the descriptor."""
PIPE_SIZE: Final = 1 << 20
"""Octets that wait in the pipe: what an ordinary user may have."""
CONCLUDED: Final = "concluded"
"""The state of a job that has ended, and waits to be dismissed."""
NO_REPLAY: Final = "none"
UNSAID: Final = (
    "QEMU's standard error may say why; it lets go of no disk that it exports (query-block-exports), and opens disks"
    " anew by the names that it was given: with -daemonize only absolute ones lead anywhere"
)
"""What to do where QEMU gives no reason: 7.2 gives none for a disk that it cannot let go of."""


class Outgoing:
    """A migration into a pipe whose reading end is ``reading``; the caller closes it. Raises DomainError."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.reading, writing = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError):
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        try:
            monitor.execute("getfd", {"fdname": NAME}, descriptor=writing)
        except BaseException:
            os.close(self.reading)
            raise
        finally:
            os.close(writing)

    def start(self) -> None:
        """Let it begin. Raises DomainError with QEMU's own words where the machine cannot be migrated."""
        try:
            self._monitor.execute("migrate", {"uri": f"fd:{NAME}"})
        except DomctxError:
            with contextlib.suppress(DomctxError):
                self._monitor.execute("closefd", {"fdname": NAME})
            raise

    def complete(self) -> None:
        """Wait until QEMU reports that it is completed. Raises DomainError where it failed."""
        state = self._monitor.wait_for("the end of the migration", self._ended)
        if state["status"] != "completed":
            raise DomainError(
                f"QEMU's migration ended as {state['status']!r}",
                file=self._monitor.name,
                got=state.get("error-desc"),
                hint=None if "error-desc" in state else UNSAID,
            )

    def _ended(self) -> dict[str, Any] | None:
        state: dict[str, Any] = self._monitor.execute("query-migrate")
        return None if state.get("status", "none") in MOVING else state


def is_under_way(monitor: Monitor) -> bool:
    """Whether QEMU is migrating."""
    return monitor.execute("query-migrate").get("status") in MOVING


def refuse_blocked(monitor: Monitor) -> None:
    """Raise DomainError where a device cannot be migrated.

    QEMU (6.0 and later) tells which; asked for the state of such a device alone, 7.2 crashes.
    """
    reasons = monitor.execute("query-migrate").get("blocked-reasons")
    if reasons:
        raise DomainError(
            "QEMU cannot give the state of this machine, nor migrate it",
            file=monitor.name,
            got="; ".join(map(str, reasons)),
            hint="take the device away (device_del), and try again",
        )


def refuse_jobs(monitor: Monitor) -> None:
    """Raise DomainError where a job is at work on the disks.

    QEMU lets go of its disks when it migrates, and aborts where a job writes to one then (tried on 7.2: a mirror).
    """
    jobs = [job for job in monitor.ask("query-jobs") or () if job["status"] != CONCLUDED]
    if jobs:
        raise DomainError(
            "a job is at work on the disks of this machine",
            file=monitor.name,
            got=", ".join(f"{job['type']} {job['id']!r}, {job['status']}" for job in jobs),
            hint="wait until it has ended, or end it (job-complete, job-cancel), and try again",
        )


def refuse_replay(monitor: Monitor) -> None:
    """Raise DomainError where the guest's run is recorded or replayed: QEMU 7.2 aborts when it is migrated then."""
    mode = (monitor.ask("query-replay") or {}).get("mode", NO_REPLAY)
    if mode != NO_REPLAY:
        message = "a guest whose run is recorded or replayed cannot be saved"
        raise DomainError(message, file=monitor.name, got=f"rr={mode}", hint="start QEMU without rr=")


def end(monitor: Monitor) -> None:
    """End a migration that is under way, and wait until it is. Raises DomainError."""
    if is_under_way(monitor):
        monitor.execute("migrate_cancel")
        monitor.wait_for("the end of the migration", lambda: None if is_under_way(monitor) else True)
