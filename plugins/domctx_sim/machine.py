"""A simulated Xen machine: its folder, its frames, its frame table, its judge, and the one domain it holds.

The folder is held under a lock while it is open; a machine that is being made is nobody's until it is published.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from domctx.errors import DomainError, UsageError
from domctx.publish import publish_directory, refused
from domctx_sim import frame_table, frames, kept, metadata
from domctx_sim.arrays import Numbers, Pages
from domctx_sim.frame_table import FrameTable, FrameType
from domctx_sim.frames import Frames, create_frames
from domctx_sim.metadata import DomainRecord
from domctx_sim.mmu import Mmu
from domctx_sim.platforms import TWO_LEVEL, Platform
from domctx_sim.references import References

FILES: Final = (metadata.NAME, frames.NAME, frame_table.NAME, kept.NAME)
"""What stands in a machine's folder."""


class Machine:
    """One opened machine. Close it, or use it as a context manager.

    ``platform`` is its kind; ``frames``, ``table``, ``references`` and ``mmu`` are its parts; ``domains`` holds its
    domain, if any, by id.
    """

    def __init__(self, folder: Path, *, writable: bool = False) -> None:
        """Open a machine, alone where ``writable``, else beside other readers.

        Raises DomainError where the folder is no machine, is damaged, or is in use.
        """
        self.folder = folder
        self._writable = writable
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, _lock(folder, fcntl.LOCK_EX if writable else fcntl.LOCK_SH))
            self.platform, domain = metadata.read(folder)
            self.frames = Frames(folder, writable=writable, frames=self.platform.frames)
            stack.callback(self.frames.close)
            self.table = FrameTable(folder, self.platform.frames)
            self._stack = stack.pop_all()
        self.domains: dict[int, DomainRecord] = {} if domain is None else {domain.id: domain}
        self.references = References(self.frames, self.table, self.platform.paging)
        cpus: Mapping[int, DomainRecord] = self.domains
        self.mmu = Mmu(self.frames, self.table, self.references, cpus, self.platform)

    @classmethod
    def create(cls, folder: Path, platform: Platform = TWO_LEVEL) -> Machine:
        """Make a machine without a domain in an empty folder, and open it."""
        create_frames(folder, platform.frames)
        metadata.write(folder, None, platform)
        return cls(folder, writable=True)

    @classmethod
    def with_domain(cls, folder: Path, *, writable: bool = False) -> Machine:
        """Open a machine that has a domain. Raises DomainError where it has none, and as ``Machine``."""
        machine = cls(folder, writable=writable)
        if not machine.domains:
            machine.close()
            raise DomainError("the machine has no domain", file=str(folder))
        return machine

    @property
    def domain(self) -> DomainRecord:
        """The machine's domain. Raises DomainError where it has none."""
        for domain in self.domains.values():
            return domain
        raise DomainError("the machine has no domain", file=str(self.folder))

    def write(self, mfns: Numbers, pages: Pages, domain: int) -> None:
        """Write pages into the domain's frames as dom0 does, through a writable mapping of its own.

        Raises DomainError for frames of another owner, and for those in use as page or descriptor tables.
        """
        self.references.own(mfns, domain)
        self.references.take(mfns, FrameType.WRITABLE, domain)
        try:
            self.frames.write(mfns, pages)
        finally:
            self.references.drop(mfns)

    def save(self) -> None:
        """Write the frame table and the description of the domain. Raises DomainError."""
        self.table.save()
        self.save_domain()

    def save_domain(self) -> None:
        """Write the description of the domain alone, whole or not at all. Raises DomainError."""
        metadata.write(self.folder, next(iter(self.domains.values()), None), self.platform)

    def close(self) -> None:
        """Close the files and give back the lock; what was not saved is forgotten."""
        self._stack.close()

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _lock(folder: Path, kind: int) -> int:
    """Open and lock a folder; the lock goes with the descriptor."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise refused(error, folder) from error
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        replaced = not os.path.samestat(os.fstat(descriptor), os.stat(folder))
    except BlockingIOError as error:
        os.close(descriptor)
        raise _in_use(folder) from error
    except OSError as error:
        os.close(descriptor)
        raise refused(error, folder) from error
    if replaced:
        os.close(descriptor)
        raise _in_use(folder)
    return descriptor


def _in_use(folder: Path) -> DomainError:
    return DomainError("the machine is in use", file=str(folder), hint="wait until the other command ends")


@contextlib.contextmanager
def new_folder(goal: Path, *, force: bool = False) -> Iterator[Path]:
    """A folder that becomes the machine ``goal`` when the block ends, as ``publish_directory`` makes it.

    With ``force`` it takes the place of a machine that nobody uses, or of an empty folder, and of nothing else.
    Raises UsageError or DomainError where something else stands there, at the beginning or in the end.
    """
    with contextlib.ExitStack() as replaced:
        if force:
            with contextlib.ExitStack() as tried:
                _claim(goal, tried)
        with publish_directory(goal, force=force) as folder:
            yield folder
            if force:
                _claim(goal, replaced)


def _claim(goal: Path, stack: contextlib.ExitStack) -> None:
    """Hold what is to be replaced, if anything is, until ``stack`` ends."""
    if os.path.lexists(goal):
        stack.callback(os.close, _lock(goal, fcntl.LOCK_EX))
        _refuse_strangers(goal)


def _refuse_strangers(folder: Path) -> None:
    """Raise UsageError where a folder holds what no machine does: --force replaces machines."""
    unpublished = f".{metadata.NAME}."
    strange = [name for name in sorted(os.listdir(folder)) if name not in FILES and not name.startswith(unpublished)]
    if strange:
        raise UsageError(
            "the folder holds more than a simulated machine, and is not replaced",
            file=str(folder),
            got=repr(strange[0]),
            hint="choose another name",
        )
