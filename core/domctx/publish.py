"""Files and folders that appear whole or not at all.

Everything is made beside its goal under a name marked ``.partial``, mode 0600 (RAM holds secrets), synced, and
published by link (exclusive) or, with ``force``, by rename; then the directory is synced. Kill the process at any
moment: the goal is the old one or none, never half a one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from io import FileIO
from typing import TYPE_CHECKING, Final

from domctx.disk import refused as refused
from domctx.errors import DomainError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

SHOWN: Final = 40
"""Characters of the goal's name that the name of its partial file shows; longer names still leave room."""
TOKEN: Final = 8
"""Octets of chance in the name of a partial file: enough that no other has it."""


def refuse_existing(path: str | Path, *, force: bool) -> None:
    """Raise UsageError where ``path`` exists and may not be replaced."""
    if not force and os.path.lexists(path):
        raise UsageError("exists already", file=str(path), hint="choose another name, or pass --force to replace it")


def _refuse_special(goal: str) -> None:
    """Raise UsageError where ``goal`` is a device, a pipe or a folder: --force replaces files, not those; DomainError
    where it can be no file.
    """
    try:
        mode = os.stat(goal).st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):  # nothing, or links that lead nowhere
            return
        raise refused(error, goal) from error  # a name that no file can have
    if not stat.S_ISREG(mode):
        raise UsageError("is no regular file, and is not replaced", file=goal, hint="write - for a stream")


@contextlib.contextmanager
def publish(path: str | Path, *, force: bool = False) -> Iterator[FileIO]:
    """An unbuffered file that becomes ``path`` when the block ends without an exception.

    Raises UsageError where ``path`` exists and ``force`` is not set, or names no regular file; DomainError where the
    disk refuses.
    """
    goal = os.fspath(path) or os.curdir
    if goal.endswith(os.sep):
        raise UsageError("names a folder", file=goal, hint="add the name of a file")
    refuse_existing(goal, force=force)
    _refuse_special(goal)
    partial = _beside(goal, "partial")
    try:  # a signal may unwind as soon as the file is there
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with FileIO(descriptor, "r+") as file:
            yield file
            os.fsync(file.fileno())
        with _synced(os.path.dirname(goal) or os.curdir):
            _publish_file(partial, goal, force=force)
    except OSError as error:
        raise refused(error, goal) from error
    finally:
        with contextlib.suppress(OSError):  # it has become the goal, or its disk, which was told of, is no more
            os.unlink(partial)


def _beside(goal: str | Path, what: str) -> str:
    """A path in the goal's folder that nobody else has."""
    folder, name = os.path.split(goal)
    return os.path.join(folder, f".{name[:SHOWN]}.{os.urandom(TOKEN).hex()}.{what}")


def _publish_file(partial: str, goal: str, *, force: bool) -> None:
    if force:
        os.rename(partial, goal)
        return
    try:
        os.link(partial, goal)
        os.unlink(partial)
    except FileExistsError:
        refuse_existing(goal, force=False)
        raise
    except PermissionError as error:
        hint = "the file system may have no hard links: --force publishes without one"
        raise DomainError("the file cannot be published", file=goal, got=error.strerror, hint=hint) from error


@contextlib.contextmanager
def publish_directory(path: str | Path, *, force: bool = False) -> Iterator[Path]:
    """A folder (mode 0700) that becomes ``path`` when the block ends without an exception; see ``publish``.

    With ``force`` an existing folder is moved aside first and removed last; moved back where that fails.
    """
    import shutil
    from pathlib import Path  # a file needs none of them, and they take longer to import than all else here

    goal = Path(path)
    refuse_existing(goal, force=force)
    partial = Path(_beside(goal, "partial"))
    try:
        partial.mkdir(0o700)
        yield partial
        _publish_directory(partial, goal, force=force)
    except OSError as error:
        raise refused(error, goal) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _publish_directory(partial: Path, goal: Path, *, force: bool) -> None:
    for path in (*partial.rglob("*"), partial):
        if path.is_dir():
            sync_directory(path)
        else:
            sync_file(path)
    refuse_existing(goal, force=force)
    with _synced(goal.parent):
        if os.path.lexists(goal):
            _replace_directory(partial, goal)
        else:
            partial.rename(goal)


def _replace_directory(partial: Path, goal: Path) -> None:
    import shutil
    from pathlib import Path

    aside = Path(_beside(goal, "replaced"))
    old = aside / "old"
    try:
        aside.mkdir(0o700)
        goal.rename(old)
        partial.rename(goal)
    finally:
        if os.path.lexists(old) and not os.path.lexists(goal):
            old.rename(goal)
        shutil.rmtree(aside, ignore_errors=True)


def sync_file(path: Path) -> None:
    """Flush one file of a folder to the disk."""
    if path.is_file():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_directory(path: str | Path) -> None:
    """Flush a folder's entries to the disk."""
    with _synced(path):
        pass


@contextlib.contextmanager
def _synced(folder: str | Path) -> Iterator[None]:
    """Flush a folder's entries to the disk when the block ends well; what does not let one try that fails before it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
