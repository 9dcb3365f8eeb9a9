"""Files and folders that appear whole or not at all.

Everything is made beside its goal under a name marked ``.partial``, mode 0600 (RAM holds secrets), synced, and
published by link (exclusive) or, with ``force``, by rename; then the directory is synced. Kill the process at any
moment: the goal is the old one or none, never half a one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Final

from domctx.disk import refused as refused
from domctx.errors import DomainError, UsageError

SHOWN: Final = 40
"""Characters of the goal's name that the name of its partial file shows; longer names still leave room."""


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise UsageError where ``path`` exists and may not be replaced."""
    if not force and os.path.lexists(path):
        raise UsageError("exists already", file=str(path), hint="choose another name, or pass --force to replace it")


def _refuse_special(goal: Path) -> None:
    """Raise UsageError where ``goal`` is a device, a pipe or a folder: --force replaces files, not those; DomainError
    where it can be no file.
    """
    try:
        special = goal.exists() and not goal.is_file()
    except OSError as error:  # a name that no file can have
        raise refused(error, goal) from error
    if special:
        raise UsageError("is no regular file, and is not replaced", file=str(goal), hint="write - for a stream")


@contextlib.contextmanager
def publish(path: str | Path, *, force: bool = False) -> Iterator[FileIO]:
    """An unbuffered file that becomes ``path`` when the block ends without an exception.

    Raises UsageError where ``path`` exists and ``force`` is not set, or names no regular file; DomainError where the
    disk refuses.
    """
    if str(path).endswith(os.sep):
        raise UsageError("names a folder", file=str(path), hint="add the name of a file")
    goal = Path(path)
    refuse_existing(goal, force=force)
    _refuse_special(goal)
    try:
        descriptor, name = tempfile.mkstemp(prefix=_prefix(goal), suffix=".partial", dir=goal.parent)
    except OSError as error:
        raise refused(error, goal) from error
    partial = Path(name)
    try:
        with FileIO(descriptor, "r+") as file:
            yield file
            os.fsync(file.fileno())
        _publish_file(partial, goal, force=force)
        sync_directory(goal.parent)
    except OSError as error:
        raise refused(error, goal) from error
    finally:
        partial.unlink(missing_ok=True)


def _prefix(goal: Path) -> str:
    return f".{goal.name[:SHOWN]}."


def _publish_file(partial: Path, goal: Path, *, force: bool) -> None:
    if force:
        partial.rename(goal)
        return
    try:
        os.link(partial, goal)
    except FileExistsError:
        refuse_existing(goal, force=False)
        raise
    except PermissionError as error:
        hint = "the file system may have no hard links: --force publishes without one"
        raise DomainError("the file cannot be published", file=str(goal), got=error.strerror, hint=hint) from error


@contextlib.contextmanager
def publish_directory(path: str | Path, *, force: bool = False) -> Iterator[Path]:
    """A folder (mode 0700) that becomes ``path`` when the block ends without an exception; see ``publish``.

    With ``force`` an existing folder is moved aside first and removed last; moved back where that fails.
    """
    goal = Path(path)
    refuse_existing(goal, force=force)
    try:
        partial = Path(tempfile.mkdtemp(prefix=_prefix(goal), suffix=".partial", dir=goal.parent))
    except OSError as error:
        raise refused(error, goal) from error
    try:
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
    if os.path.lexists(goal):
        _replace_directory(partial, goal)
    else:
        partial.rename(goal)
    sync_directory(goal.parent)


def _replace_directory(partial: Path, goal: Path) -> None:
    aside = Path(tempfile.mkdtemp(prefix=_prefix(goal), suffix=".replaced", dir=goal.parent))
    old = aside / "old"
    try:
        goal.rename(old)
        partial.rename(goal)
    except BaseException:
        if os.path.lexists(old):
            old.rename(goal)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


def sync_file(path: Path) -> None:
    """Flush one file of a folder to the disk."""
    if path.is_file():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Flush a folder's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
