"""The pipe through which a waiting QEMU gets its state: a Sink whose end is the machine's beginning."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from domctx.api import Buffer
from domctx.errors import DomainError, DomctxError

if TYPE_CHECKING:
    from domctx_qmp.monitor import Monitor

PIPE_SIZE: Final = 1 << 20
"""Octets that a pipe may hold (/proc/sys/fs/pipe-max-size is this by default)."""
SMALL: Final = 1 << 16
"""Octets that are gathered before they are written."""
PATIENCE: Final = 120.0
"""Seconds in which QEMU takes some of what it is sent, and comes to an end when all was sent."""
LAST_WORDS: Final = 2.0
"""Seconds in which a QEMU that refuses a state says so, or ends."""
PAUSE: Final = 0.005
NAME: Final = "domctx-incoming"
KEEPS_GOING: Final = (9, 1)
"""The version of QEMU from which on it may be told not to end where it cannot load a state."""
DEFERRED: Final = "start QEMU with -incoming defer, not with an address"
ENDS: Final = "QEMU ends when it cannot load a state: what it printed on its standard error says why"


class Incoming:
    """What QEMU reads its state from. ``words`` gives what QEMU printed last, where that can be seen."""

    name = "qmp"

    def __init__(self, monitor: Monitor, words: Callable[[], str] = lambda: "") -> None:
        """Let QEMU begin to load. Raises DomainError where it refuses."""
        self._monitor, self._words = monitor, words
        self._pending = bytearray()
        reading, self._writing = os.pipe()
        try:
            self._begin(reading)
        except BaseException:
            self.abandon()
            raise
        finally:
            os.close(reading)

    def _begin(self, reading: int) -> None:
        with contextlib.suppress(OSError):  # fewer octets are allowed to this user
            fcntl.fcntl(self._writing, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        os.set_blocking(self._writing, False)
        self._monitor.execute("getfd", {"fdname": NAME}, descriptor=reading)
        try:
            self._monitor.execute("migrate-incoming", {"uri": f"fd:{NAME}", **_staying(self._monitor)})
        except DomainError as error:
            error.hint = DEFERRED
            raise

    def write(self, data: Buffer) -> None:
        """Send ``data``. Raises DomainError, with QEMU's own words where it has any, when it takes no more."""
        view = memoryview(data)
        if view.nbytes + len(self._pending) <= SMALL:
            self._pending += view
            return
        self.flush()
        self._put(view.cast("B") if view.nbytes else view)

    def flush(self) -> None:
        """Send what was gathered."""
        pending, self._pending = self._pending, bytearray()
        self._put(memoryview(pending))

    def close(self) -> None:
        """All was sent; wait until QEMU has loaded it. Raises DomainError where it cannot."""
        self.flush()
        self._close()
        last = time.monotonic() + PATIENCE
        while (status := self._look()) != "completed":
            if status == "failed":
                raise self._refused(None)
            if time.monotonic() > last:
                raise DomainError("QEMU does not come to an end with the state", file=self._monitor.name)
            time.sleep(PAUSE)

    def abandon(self) -> None:
        """Send nothing more: QEMU then has no whole state, and refuses what it has."""
        self._pending.clear()
        self._close()

    def why(self, error: DomctxError) -> DomctxError:
        """Why QEMU does not answer: what it was sent may have ended it; else the error itself."""
        with contextlib.suppress(DomctxError):
            self._monitor.status()  # one that has just ended is still thought to be there
        return self._refused(error) if self._monitor.is_lost else error

    def _look(self) -> str:
        try:
            with self._monitor.understood():
                return str(self._monitor.execute("query-migrate").get("status", "none"))
        except DomctxError as error:
            raise self._refused(error) from error

    def _put(self, octets: memoryview) -> None:
        while octets:
            try:
                octets = octets[os.write(self._writing, octets) :]
            except BlockingIOError:
                self._wait()
            except BrokenPipeError as error:
                raise self._refused(error) from error

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._writing, select.POLLOUT)
        if not poll.poll(PATIENCE * 1000):
            raise DomainError(
                "QEMU takes no octet of the state", file=self._monitor.name, expected=f"within {PATIENCE:g} s"
            )

    def _refused(self, error: BaseException | None) -> DomainError:
        """Why QEMU takes no more: its own words, or that it ended."""
        last = time.monotonic() + LAST_WORDS
        while time.monotonic() < last:
            try:
                with self._monitor.understood():
                    found = dict(self._monitor.execute("query-migrate"))
            except DomctxError:
                break
            if found.get("status") == "failed" and "error-desc" in found:
                return DomainError("QEMU refuses the state", file=self._monitor.name, got=found["error-desc"])
            time.sleep(PAUSE)
        words = self._words()
        hint = None if words else ENDS
        return DomainError(
            "QEMU refuses the state, and has ended", file=self._monitor.name, got=words or None, hint=hint
        )

    def _close(self) -> None:
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1


def _staying(monitor: Monitor) -> dict[str, object]:
    """The argument that keeps a newer QEMU where it is when it refuses a state."""
    with monitor.understood():
        version = monitor.execute("query-version")["qemu"]
        return {"exit-on-error": False} if (version["major"], version["minor"]) >= KEEPS_GOING else {}
