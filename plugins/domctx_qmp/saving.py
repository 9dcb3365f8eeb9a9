"""One save of a live QEMU: the guest stops, its stream passes, and it is given back as it was found."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from domctx.api import Machine
from domctx.errors import DomainError, DomctxError
from domctx_qemu_stream.placement import main_blocks
from domctx_qmp import found, migration
from domctx_qmp.device_state import device_state, with_run_state
from domctx_qmp.disks import DiskKeeper
from domctx_qmp.monitor import Monitor
from domctx_qmp.ram_file import RamFile
from domctx_qmp.settings import IGNORE_SHARED, Settings, settings_for_save
from domctx_qmp.shared import shared_ram
from domctx_qmp.standing import TakenStanding, has_footers, private_ram
from domctx_qmp.taken import TakenStream

if TYPE_CHECKING:
    from domctx_disks import StoredDisks
    from domctx_qmp.guarding import Guard

Note = Callable[[str], None]

DISTURBING: Final = {"RESUME": "continued", "RESET": "reset"}
"""The events of a guest that does not stand any more as it was stopped, and what was done to it."""


class Saving:
    """Makes sure that the guest can be saved; ``stop`` begins, and ``give_back`` ends it, whatever happened.

    ``told`` is what QEMU told of the machine; nothing is changed before ``guard`` is ready. Raises DomainError where
    the guest is in a state that cannot be saved.
    """

    def __init__(self, monitor: Monitor, guard: Guard, told: Machine, disks: DiskKeeper, note: Note) -> None:
        self._monitor, self._guard, self._disks, self._note = monitor, guard, disks, note
        self.found = monitor.status()
        self.told = attrs.evolve(told, run_state="running" if self.found == found.RUNNING else "paused")
        found.check(self.found, monitor.name)
        if migration.is_under_way(monitor):
            raise DomainError("the guest is being migrated", file=monitor.name, hint="wait until that is over")
        migration.refuse_blocked(monitor)
        migration.refuse_jobs(monitor)
        migration.refuse_replay(monitor)
        self._changed: dict[str, Any] = {"running": self.found == found.RUNNING}
        self._undo = Settings()
        self._stream: TakenStream | TakenStanding | None = None
        self._stopped = 0.0
        self._disturbed: list[str] = []
        guard.ready()
        self._shared = shared_ram(monitor, told.blocks)

    def stop(self) -> None:
        """Stop the guest where it runs; from here on it is given back even if this process is killed."""
        self._stopped = time.monotonic()
        self._guard.tell(self._changed)
        if self._changed["running"]:
            self._monitor.execute("stop")
        self._monitor.events()  # those before are of the guest as it is saved

    @property
    def stream(self) -> TakenStream | TakenStanding:
        """The stream; it is taken when it is first asked for. Raises DomctxError."""
        if self._stream is None:
            self._stream = self._taken()
        return self._stream

    def _taken(self) -> TakenStream | TakenStanding:
        self._disks.before_migration()
        devices = device_state(self._monitor, lambda number: self._tell(fdsets=[number]))
        self._tell(fdsets=[])
        devices = with_run_state(devices, "paused" if self._changed["running"] else self.found)
        private = self._private()
        if private is None:
            self._set(devices)
            return TakenStream(self._monitor, devices, self.told, self._shared.files)
        taken = TakenStanding(self._monitor.name, devices, self.told, self._shared.files, private)
        if taken.absent:
            names = ", ".join(taken.absent)
            self._note(f"RAM blocks that are not mapped are left out, QEMU makes them when it starts: {names}")
        return taken

    def _set(self, devices: bytes) -> None:
        """Let QEMU migrate as is needed; a stream that does not name its capabilities cannot leave out memory."""
        leave_out = bool(self._shared.files) and self._shared.whole and has_footers(self._monitor.name, devices)
        wanted, self._undo = settings_for_save(self._monitor, (IGNORE_SHARED,) if leave_out else ())
        self._tell(**self._undo.told())
        wanted.apply(self._monitor)

    def _private(self) -> Mapping[int, RamFile] | None:
        """What else than shared files holds RAM, where the guest can be saved without a migration; else None."""
        main = set(main_blocks(self.told.blocks))
        if self._changed["running"] or not main or not main <= self._shared.files.keys():
            return None
        return private_ram(self._monitor, self.told.blocks, self._shared.files)

    @functools.cached_property
    def disks(self) -> StoredDisks | None:
        """The disks as they are when all has passed. Raises DomctxError."""
        _ = self.stream.whole
        return self._disks.after_migration()

    def finish(self) -> None:
        """Let go of the stream, and put back how QEMU migrates; the guest still stands. Raises DomainError."""
        if self._stream is not None:
            self._stream.close()
        self._shared.close()
        migration.end(self._monitor)
        self._undo.apply(self._monitor)
        self._undo = Settings()
        self._tell(capabilities=[], parameters={})
        self._disturbed += [DISTURBING[name] for row in self._monitor.events() if (name := row["event"]) in DISTURBING]

    def check_stood(self) -> None:
        """Raise DomainError where somebody else let the guest go on: what was taken of it is of no one moment."""
        if self._disturbed:
            raise DomainError(
                f"the guest was {self._disturbed[0]} by somebody else while it was saved",
                file=self._monitor.name,
                hint="what was taken of it is of no one moment; try again",
            )

    def give_back(self) -> None:
        """Continue the guest where it was found running, and tell how long it stood. Raises DomainError.

        A connection that was lost is made again. Where that fails the guardian goes on trying.
        """
        with self._guarded():
            try:
                self._give_back()
            except DomctxError:
                if not self._monitor.is_lost:
                    raise
                self._reconnect()
                self._give_back()

    def _reconnect(self) -> None:
        try:
            self._monitor.reconnect()
        except DomctxError as error:
            raise DomainError(
                "the connection to QEMU is lost, and cannot be made again",
                file=self._monitor.name,
                got=error.message,
                hint="where QEMU has ended, its standard error says why; where it runs, cont in its monitor continues"
                " the guest",
            ) from error

    def _give_back(self) -> None:
        try:
            self.finish()
        finally:
            if self._changed["running"]:
                self._monitor.execute("cont")
        if self._changed["running"]:
            self._note(f"the guest stood still for {time.monotonic() - self._stopped:.2f} s")
            return
        status = self._monitor.status()
        if status != self.found and not self._disturbed:
            then = "reset it before cont (system_reset)" if self.found in found.ENDED else "cont continues it"
            self._note(f"the guest was found {self.found!r} and is {status!r} now: it never ran; {then}")

    def leave(self, *, ending: bool) -> None:
        """Leave the guest as it stands; with ``ending`` QEMU quits. Raises DomainError."""
        with self._guarded():
            if ending:
                self._monitor.execute("quit")
            else:
                self._note(f"the guest stays as it is, {self._monitor.status()!r}; cont continues it")

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """The guardian is released when the block ends well; else it goes on trying."""
        try:
            yield
        except BaseException:
            self._guard.leave()
            raise
        self._guard.release()

    def _tell(self, **changed: Any) -> None:
        self._changed |= changed
        self._guard.tell(self._changed)
