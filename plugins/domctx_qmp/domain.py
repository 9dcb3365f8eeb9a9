"""A live QEMU as a Domain: described at once, stopped when it is paused, its stream read when a state is asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from domctx.api import FormatContext, Machine, RamBlock, StateKey
from domctx.errors import DomainError
from domctx.requires import Requires
from domctx.states import (
    DEVICES,
    FOREIGN_HEAD,
    FOREIGN_TAIL,
    MEMORY,
    BlockSource,
    DeviceSection,
    ForeignPart,
    PageBatch,
)
from domctx.values import frozen
from domctx_disks import DISKS, DisksContext
from domctx_qmp.describe import machine_of
from domctx_qmp.disks import DiskKeeper
from domctx_qmp.found import RUNNING
from domctx_qmp.guarding import Guard
from domctx_qmp.monitor import Monitor
from domctx_qmp.options import CONTINUE, QUIT

if TYPE_CHECKING:
    from domctx_qmp.looking import Looking
    from domctx_qmp.saving import Saving

T = TypeVar("T")

SCHEME: Final = "qmp"


class LiveDomain(Requires):
    """The machine of a QEMU that runs. Its states can be had while it is paused."""

    scheme = SCHEME
    one_pass = True

    def __init__(self, monitor: Monitor, context: FormatContext) -> None:
        self.location = monitor.path
        self._monitor, self._context = monitor, context
        self._then: str = context.option("then")
        self._saving: Saving | None = None
        self._states: Mapping[StateKey[Any], Any] = {
            FOREIGN_HEAD: LiveForeign(self._head),
            MEMORY: LiveMemory(self),
            DEVICES: LiveDevices(self),
            DISKS: LiveDisks(self._disks),
            FOREIGN_TAIL: LiveForeign(self._tail),
        }

    @functools.cached_property
    def looking(self) -> Looking:
        """What can be seen without pausing it."""
        from domctx_qmp.looking import Looking

        return Looking(self._monitor, self._described)

    @property
    def sections(self) -> Sequence[DeviceSection]:
        """The device sections. Raises DomctxError."""
        return self.looking.sections() if self._saving is None else self._saving.stream.sections

    @property
    def saving(self) -> Saving:
        """The save that is under way. Raises DomainError where the domain was not paused."""
        if self._saving is None:
            raise DomainError("the state of a live machine can be had while it is paused", file=self._monitor.name)
        return self._saving

    @property
    def machine(self) -> Machine:
        """What QEMU tells of the machine; its stream is held to it."""
        return self._described if self._saving is None else self._saving.told

    @functools.cached_property
    def _described(self) -> Machine:
        with self._monitor.understood():
            return machine_of(self._monitor)

    def state(self, key: StateKey[T]) -> T | None:
        """The provider of a state, or None; what it gives can be had while the machine is paused."""
        return cast("T | None", self._states.get(key) if key in self.owned_states() else None)

    def owned_states(self) -> Sequence[StateKey[Any]]:
        """What a stream of QEMU holds, and the disks, where there are any that the guest can write to."""
        return tuple(key for key in self._states if key != DISKS or self._keeper.wanted)

    @functools.cached_property
    def _keeper(self) -> DiskKeeper:
        moves_on = self._then == CONTINUE and self._described.run_state == RUNNING
        return DiskKeeper(self._monitor, self._context.option("disks"), moves_on=moves_on, note=self._context.note)

    def pause(self) -> None:
        """Stop the guest. Raises DomainError where it is in a state that cannot be saved."""
        self._saving = saving = self._begun()
        try:
            saving.stop()
        except BaseException:
            self._give_back()
            raise

    def _begun(self) -> Saving:
        """A save, with a guardian that starts while what the save needs is imported."""
        guard = Guard(self._monitor.path)
        try:
            from domctx_qmp.saving import Saving

            with self._monitor.understood():
                self._keeper.refuse_temporary(ending=self._then == QUIT)
                return Saving(self._monitor, guard, self._described, self._keeper, self._context.note)
        except BaseException:
            guard.release()
            raise

    def unpause(self) -> None:
        """Give the guest back, if it is to go on. Raises DomainError where QEMU does not let it."""
        if self._then == CONTINUE:
            self._give_back()
        elif self._saving is not None:
            self._saving.finish()
            self._saving.check_stood()

    def saved(self) -> None:
        """What was saved is safe: the guest that is not to go on stays as it is, or QEMU quits. Raises DomainError."""
        saving, self._saving = self._saving, None
        if saving is not None:
            saving.leave(ending=self._then == QUIT)

    def close(self) -> None:
        """Give the guest back, if that was not done, and end the connection."""
        try:
            self._give_back()
        finally:
            if "looking" in self.__dict__:
                self.looking.close()
            self._monitor.close()

    def _give_back(self) -> None:
        saving, self._saving = self._saving, None
        if saving is not None:
            saving.give_back()
            saving.check_stood()

    def _head(self) -> Sequence[ForeignPart]:
        saving = self._saving
        return self.looking.head_parts() if saving is None else list(saving.stream.head.head_parts())

    def _tail(self) -> Sequence[ForeignPart]:
        return self._saving.stream.tail if self._saving is not None else ()

    def _disks(self) -> DisksContext | None:
        disks = self.saving.disks
        return disks.context if disks is not None else None


@frozen(eq=False)
class LiveMemory:
    """MEMORY of a live machine; its pages pass once."""

    _domain: LiveDomain

    @property
    def blocks(self) -> Sequence[RamBlock]:
        """The blocks, in the order in which QEMU lists them."""
        return self._domain.machine.blocks

    def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
        """The pages as they arrive, once; the arrays are valid until the next step. Raises DomctxError."""
        from domctx_memory.sources import in_batches

        return in_batches(self.sources(pages), self.blocks, pages)

    def sources(self, pages: int = 1024) -> Iterator[BlockSource | PageBatch]:
        """The pages as ``batches`` has them; blocks in files may be read by threads while the guest stands."""
        return self._domain.saving.stream.sources(pages)

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """Pages at random, as they are now. Raises DomainError where QEMU's memory may not be read from here."""
        return self._domain.looking.read(block, first, count)

    def store(self, batch: PageBatch) -> None:
        """Raises DomainError."""
        raise DomainError("a live QEMU takes pages only while it is loaded", file=self._domain.location)


@frozen(eq=False)
class LiveDevices:
    """DEVICES of a live machine: once its pages have passed with descriptions, else without.

    Of a machine that is not paused they are as they are at this moment.
    """

    _domain: LiveDomain

    @property
    def sections(self) -> Sequence[DeviceSection]:
        """The sections, in the order of the stream. Raises DomctxError."""
        return self._domain.sections

    def store(self, section: DeviceSection) -> None:
        """Raises DomainError."""
        raise DomainError("a live QEMU takes devices only while it is loaded", file=self._domain.location)


@frozen(eq=False)
class LiveDisks:
    """DISKS of a live machine: as they are when its pages have passed."""

    _context: Callable[[], DisksContext | None]

    @property
    def context(self) -> DisksContext | None:
        """The disks. Raises DomctxError."""
        return self._context()

    def store(self, context: DisksContext) -> None:
        """Raises DomainError."""
        raise DomainError("the disks of a live QEMU are its own")


@frozen(eq=False)
class LiveForeign:
    """FOREIGN_HEAD or FOREIGN_TAIL of a live machine."""

    _parts: Callable[[], Sequence[ForeignPart]]

    @property
    def parts(self) -> Sequence[ForeignPart]:
        """The parts, in the stream's order. Raises DomctxError."""
        return self._parts()

    def store(self, part: ForeignPart) -> None:
        """Raises DomainError."""
        raise DomainError("a live QEMU takes no parts")


def open_domain(path: str, context: FormatContext) -> LiveDomain:
    """Connect to the QEMU that listens at ``path``. Raises DomainError where none does."""
    return LiveDomain(Monitor(path), context)
