"""Pages in an unlinked file."""

from __future__ import annotations

import os
import tempfile

import numpy as np
import pytest

from domctx.errors import DomainError
from domctx_memory.layout import RECORD_OCTETS
from domctx_memory.spool import Spool


def test_pages_come_back() -> None:
    """What was written to a slot is read from it, contiguous or not; slots do not overlap."""
    spool = Spool()
    first, second = spool.slot(), spool.slot()
    assert second - first == RECORD_OCTETS
    pages = np.arange(8 * 1024).astype(np.uint8).reshape(8, 1024)
    spool.write(first, pages)
    spool.write(second + 1024, pages[::2])
    goal = np.empty((4, 1024), np.uint8)
    spool.read(second + 1024, goal)
    assert np.array_equal(goal, pages[::2])
    spool.read(first + 4096, goal)
    assert np.array_equal(goal, pages[4:])
    spool.close()


def test_nothing_is_nothing() -> None:
    """No pages are written and read without touching the file."""
    spool = Spool()
    spool.write(0, np.empty((0, 1024), np.uint8))
    spool.read(0, np.empty((0, 1024), np.uint8))
    spool.close()


def test_a_spool_that_was_cut_is_refused() -> None:
    """A read behind the end of the file is refused."""
    with pytest.raises(DomainError, match="cut short"):
        Spool().read(0, np.empty((1, 1024), np.uint8))


def test_the_disk_s_refusal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, a broken one, and a folder that does not exist are told as such."""
    spool = Spool()

    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        patched.setattr(os, "preadv", full)
        with pytest.raises(DomainError, match="No space left"):
            spool.write(0, np.ones((1, 1024), np.uint8))
        with pytest.raises(DomainError, match="No space left"):
            spool.read(0, np.ones((1, 1024), np.uint8))
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    with pytest.raises(DomainError, match="No such file"):
        Spool()
