"""A QEMU that waits for its state, as a Target: the stream is composed while records arrive.

QEMU gets the octet that ends its stream when everything is right, and no sooner; without it, it refuses the state, and
(7.2) ends. It stays paused until it is told to go on, whatever the stream says.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from domctx.api import FormatContext, Machine, RamBlock, StateKey
from domctx.errors import DomctxError, UsageError
from domctx.states import DEVICES, FOREIGN_HEAD, FOREIGN_TAIL, MEMORY
from domctx.values import frozen
from domctx_disks import DISKS
from domctx_foreign import StoredForeign
from domctx_qemu_stream.compose import Composer
from domctx_qemu_stream.heads import read_kept
from domctx_qmp import options
from domctx_qmp.arrival import ArrivingDevices, ArrivingMemory, ArrivingTail
from domctx_qmp.disk_check import CheckedDisks
from domctx_qmp.fitting import check_machine, check_type, check_waiting
from domctx_qmp.found import RUNNING
from domctx_qmp.incoming import Incoming
from domctx_qmp.monitor import Monitor
from domctx_qmp.written import WrittenRam, written_ram

if TYPE_CHECKING:
    from domctx_qmp.start import Started

T = TypeVar("T")

SCHEME: Final = "qmp"
CONTINUES: Final = ("paused", "prelaunch", "debug", "watchdog", "io-error")
"""Run states that ``cont`` leads out of."""


@frozen
class Wishes:
    """What options say of a load."""

    start: str = options.AS_SAVED
    force_disks: bool = False
    run: bool = False
    more: tuple[str, ...] = ()
    trust: bool = False


class QemuTarget:
    """Loads one QEMU: the one that listens at ``location``, or one that is started."""

    scheme = SCHEME

    def __init__(self, location: str, wishes: Wishes, note: Callable[[str], None]) -> None:
        """Connect. Raises DomainError where nobody waits for a state at ``location``."""
        self.location = location
        self.blocks: Sequence[RamBlock] = ()
        self._wishes, self._note = wishes, note
        self._runs = False
        self._started: Started | None = None
        self._incoming: Incoming | None = None
        self._monitor = Monitor(location) if location else None
        if self._monitor is not None:
            try:
                check_waiting(self._monitor)
            except BaseException:
                self._monitor.close()
                raise

    def prepare(self, machine: Machine) -> None:
        """Start QEMU, where that is wished, and see that it is this machine. Raises DomainError, UsageError."""
        if self._monitor is None:
            from domctx_qmp.start import start

            self._started = start(machine.command_line, self._wishes.more, trust=self._wishes.trust)
            self._monitor = self._started.monitor
            self.location = self._monitor.path
        with self._monitor.understood():
            check_machine(self._monitor, machine)
        if self._started is not None:  # from here on it ends by itself, should this process be killed
            self._incoming = Incoming(self._monitor, self._started.last_words)
        self.blocks = machine.blocks
        wanted = self._wishes.start
        self._runs = machine.run_state == RUNNING if wanted == options.AS_SAVED else wanted == options.START_YES

    def state(self, key: StateKey[T]) -> T | None:
        """The state to load into; None for states that no QEMU has."""
        return cast("T | None", self._states.get(key))

    @functools.cached_property
    def _states(self) -> Mapping[StateKey[Any], Any]:
        return {
            FOREIGN_HEAD: StoredForeign(),
            MEMORY: ArrivingMemory(self),
            DEVICES: ArrivingDevices(self),
            FOREIGN_TAIL: ArrivingTail(self),
            DISKS: CheckedDisks(
                self._live,
                self._note,
                force=self._wishes.force_disks,
                repeated=self._wishes.run,
                why=self.why,
            ),
        }

    @functools.cached_property
    def composer(self) -> Composer:
        """The composer: the stream's head has come, so QEMU begins to load. Raises DomainError where that differs."""
        head = self._states[FOREIGN_HEAD].parts
        monitor = self._live()
        check_type(monitor, read_kept(head).configuration.machine or "")
        _ = self.written  # asked while nothing was sent that QEMU could refuse
        self._incoming = self._incoming or Incoming(monitor)
        composer = Composer(self._incoming, self.blocks, head)
        for note in composer.notes:
            self._note(note)
        composer.begin()
        self._incoming.flush()  # what QEMU refuses at once is refused before its memory is written
        return composer

    @functools.cached_property
    def written(self) -> WrittenRam:
        """The blocks that can be written where QEMU has them. Raises DomainError where it does not answer."""
        monitor = self._live()
        with monitor.understood():
            return written_ram(monitor, self.blocks)

    def commit(self) -> None:
        """Send the end, wait until QEMU has loaded it all, and let the guest go on where it ran."""
        monitor = self._live()
        self.written.close()
        self.composer.finish()
        assert self._incoming is not None  # the composer writes there
        self._incoming.close()
        status = monitor.status()
        if self._runs and status in CONTINUES:
            self._continue(monitor)
        elif self._runs and status != RUNNING:
            self._note(f"the guest is {status!r}, from where it cannot go on")
        elif status == RUNNING and not self._runs:
            monitor.execute("stop")
            self._note(
                "the guest ran for a moment: its machine type is too old to tell QEMU otherwise; start QEMU with -S"
            )
        if self._started is not None:
            self._note(f"QEMU runs as process {self._started.pid}; its monitor is {self.location}")
        monitor.close()

    def _continue(self, monitor: Monitor) -> None:
        try:
            monitor.execute("cont")
        except DomctxError as error:
            then = "load it again" if self._started is not None else "cont in its monitor continues the guest"
            error.hint = f"where a disk is in use, by the machine that was saved for instance, end that; then {then}"
            raise

    def abort(self) -> None:
        """Send nothing more: a QEMU that was loading ends, and one that was started does so in any case."""
        if "written" in self.__dict__:
            self.written.close()
        if self._incoming is not None:
            self._incoming.abandon()
        if self._started is not None:
            self._started.end()
        if self._monitor is not None:
            self._monitor.close()

    def why(self, error: DomctxError) -> DomctxError:
        """The error itself, or why QEMU has ended, where that is the reason for it."""
        return self._incoming.why(error) if self._incoming is not None else error

    def _live(self) -> Monitor:
        if self._monitor is None:
            raise UsageError("a plain v10 image has no memory: it loads into no QEMU")
        return self._monitor


def create_target(location: str, context: FormatContext) -> QemuTarget:
    """The QEMU at ``location``, or ("") one that is started. Raises UsageError for options that do not go together."""
    wishes = Wishes(
        start=context.option(options.START.name),
        force_disks=context.option(options.FORCE_DISKS.name),
        run=context.option(options.RUN.name),
        more=tuple(context.option(options.QEMU_ARG.name)),
        trust=context.option(options.TRUST.name),
    )
    if location and wishes.run:
        raise UsageError("--run starts a QEMU of its own", file=location, hint="leave out the target, or --run")
    if location and (wishes.more or wishes.trust):
        raise UsageError("--qemu-arg and --trust-command-line go with --run", file=location)
    return QemuTarget(location, wishes, context.note)
