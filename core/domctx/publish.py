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

from domctx.disk import refused as refused
from domctx.errors import UsageError


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise UsageError where ``path`` exists and may not be replaced."""
    if not force and os.path.lexists(path):
        raise UsageError("exists already", file=str(path), hint="choose another name, or pass --force to replace it")


@contextlib.contextmanager
def publish(path: str | Path, *, force: bool = False) -> Iterator[FileIO]:
    """An unbuffered file that becomes ``path`` when the block ends without an exception.

    Raises UsageError where ``path`` exists and ``force`` is not set, DomainError where the disk refuses.
    """
    goal = Path(path)
    refuse_existing(goal, force=force)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{goal.name}.", suffix=".partial", dir=goal.parent)
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


def _publish_file(partial: Path, goal: Path, *, force: bool) -> None:
    if force:
        partial.rename(goal)
        return
    try:
        os.link(partial, goal)
    except FileExistsError:
        refuse_existing(goal, force=False)
        raise


@contextlib.contextmanager
def publish_directory(path: str | Path, *, force: bool = False) -> Iterator[Path]:
    """A folder (mode 0700) that becomes ``path`` when the block ends without an exception; see ``publish``.

    With ``force`` an existing folder is moved aside first and removed last.
    """
    goal = Path(path)
    refuse_existing(goal, force=force)
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{goal.name}.", suffix=".partial", dir=goal.parent))
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
    for file in partial.rglob("*"):
        sync_file(file)
    sync_directory(partial)
    refuse_existing(goal, force=force)
    if os.path.lexists(goal):
        aside = Path(tempfile.mkdtemp(prefix=f".{goal.name}.", suffix=".replaced", dir=goal.parent))
        goal.rename(aside / goal.name)
        partial.rename(goal)
        shutil.rmtree(aside, ignore_errors=True)
    else:
        partial.rename(goal)
    sync_directory(goal.parent)


def sync_file(path: Path) -> None:
    """Flush one file of a folder to the disk; folders inside are synced by themselves."""
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
