"""The state that DISKS holds: what a saved machine's disks were, so that others are not taken for them."""

from __future__ import annotations

from typing import Protocol

from domctx.api import StateKey
from domctx.values import frozen


@frozen
class DiskFile:
    """One file of a disk; ``size`` in octets and ``mtime`` in nanoseconds since 1970, None where it is no plain file.

    ``path`` is absolute, or what the hypervisor calls a disk that is no file of its host.
    """

    path: str
    size: int | None = None
    mtime: int | None = None


@frozen
class Disk:
    """A disk that the guest may write to: ``name`` as the hypervisor has it, ``format`` of its first file.

    ``files`` are what the state belongs to: the disk's own file, then those that it is based on, none of which may
    change. ``overlay`` is the file that takes the guest's writes since the save, as it was then; None where ``files``
    take them.
    """

    name: str
    format: str
    files: tuple[DiskFile, ...]
    overlay: DiskFile | None = None


@frozen
class DisksContext:
    """The disks; ``moved_on`` where the guest went on after the save, and wrote to the very files that are noted."""

    disks: tuple[Disk, ...]
    moved_on: bool = False


class Disks(Protocol):
    """The disks that a machine can write to, as they were when it was saved."""

    @property
    def context(self) -> DisksContext | None:
        """What is known; None where nothing was stored yet."""

    def store(self, context: DisksContext) -> None:
        """Take what is known."""


DISKS: StateKey[Disks] = StateKey("disks")


class StoredDisks:
    """DISKS that keeps what was stored."""

    def __init__(self, context: DisksContext | None = None) -> None:
        self._context = context

    @property
    def context(self) -> DisksContext | None:
        """What is known; None where nothing was stored."""
        return self._context

    def store(self, context: DisksContext) -> None:
        """Take what is known."""
        self._context = context
