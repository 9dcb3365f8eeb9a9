"""One save of a live QEMU: the guest stops, its stream passes, and it is given back as it was found."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import attrs

from domctx.api import Machine
from domctx.errors import DomainError
from domctx_qmp import found, migration
from domctx_qmp.describe import machine_of
from domctx_qmp.device_state import device_state, with_run_state
from domctx_qmp.guarding import Guard
from domctx_qmp.monitor import Monitor
from domctx_qmp.settings import Settings, settings_for_save
from domctx_qmp.taken import TakenStream

Note = Callable[[str], None]


class Saving:
    """Stops the guest when it is made; ``give_back`` ends it, whatever happened."""

    def __init__(self, monitor: Monitor, note: Note) -> None:
        self._monitor, self._note = monitor, note
        self.found = monitor.status()
        found.check(self.found, monitor.name)
        if migration.is_under_way(monitor):
            raise DomainError("the guest is being migrated", file=monitor.name, hint="wait until that is over")
        self.told = machine_of(monitor)
        self._changed: dict[str, Any] = {"running": self.found == found.RUNNING}
        self._undo = Settings()
        self._stream: TakenStream | None = None
        self._guard = Guard(monitor.path)
        self._guard.tell(self._changed)
        self._stopped = time.monotonic()
        if self._changed["running"]:
            monitor.execute("stop")

    @property
    def stream(self) -> TakenStream:
        """The stream; its migration begins when it is first asked for. Raises DomctxError."""
        if self._stream is None:
            wanted, self._undo = settings_for_save(self._monitor, ())
            self._tell(**self._undo.told())
            wanted.apply(self._monitor)
            devices = device_state(self._monitor, lambda number: self._tell(fdsets=[number]))
            self._tell(fdsets=[])
            run_state = "paused" if self.found == found.RUNNING else self.found
            self._stream = TakenStream(self._monitor, with_run_state(devices, run_state), self.told)
        return self._stream

    @property
    def machine(self) -> Machine:
        """The machine as its stream tells of it, and as it was found. Raises DomctxError."""
        return attrs.evolve(self.stream.head.machine, run_state=self.told.run_state, uuid=self.told.uuid)

    def finish(self) -> None:
        """Let go of the stream, and put back how QEMU migrates; the guest still stands. Raises DomainError."""
        if self._stream is not None:
            self._stream.close()
        migration.end(self._monitor)
        self._undo.apply(self._monitor)
        self._undo = Settings()
        self._tell(capabilities=[], parameters={})

    def give_back(self) -> None:
        """Continue the guest where it was found running, and tell how long it stood. Raises DomainError.

        Where that fails the guardian goes on trying.
        """
        try:
            self.finish()
            if self._changed["running"]:
                self._monitor.execute("cont")
                stood = time.monotonic() - self._stopped
                self._note(f"the guest stood still for {stood:.2f} s")
            elif self._monitor.status() != self.found:
                self._note(
                    f"the guest was found {self.found!r} and is now {self._monitor.status()!r}: it did not run"
                    " meanwhile; cont continues it"
                )
        except BaseException:
            self._guard.leave()
            raise
        self._guard.release()

    def release(self) -> None:
        """Leave the guest as it stands."""
        self._guard.release()

    def _tell(self, **changed: Any) -> None:
        self._changed |= changed
        self._guard.tell(self._changed)
