"""Which pages of a process may hold anything."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

import numpy as np
import pytest

from domctx_qmp import touched
from domctx_qmp.host import Mapped, holding, mappings
from domctx_qmp.touched import touched_pages

PAGE = 4096
PAGES = 64


def mapped_at(memory: mmap.mmap) -> tuple[Mapped, int]:
    """The mapping of a piece of this process's memory, and where that begins."""
    octets = ctypes.c_char.from_buffer(memory)
    start = ctypes.addressof(octets)
    found = holding(mappings(os.getpid()), start, len(memory))
    assert found is not None
    return found, start


@pytest.mark.parametrize("at_once", [1 << 17, 5])
def test_memory_that_was_never_touched_holds_nothing(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are told apart, however many are looked at at once."""
    monkeypatch.setattr(touched, "AT_ONCE", at_once)
    memory = mmap.mmap(-1, PAGES * PAGE, mmap.MAP_PRIVATE)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    mapped, start = mapped_at(memory)
    for page in (3, 4, 63):
        memory[page * PAGE] = 1
    expected = np.isin(np.arange(PAGES), (3, 4, 63))
    assert np.array_equal(touched_pages(os.getpid(), mapped, start, len(memory)), expected)
    assert np.array_equal(touched_pages(os.getpid(), mapped, start + 2 * PAGE, 8 * PAGE), expected[2:10])


def test_a_file_that_is_mapped_shows_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands there is seen in pages that nobody touched; in all of them where the file cannot be opened."""
    with (tmp_path / "ram").open("w+b") as file:
        os.pwrite(file.fileno(), b"x" * PAGE, 9 * PAGE)
        os.truncate(file.fileno(), (PAGES + 1) * PAGE)
        memory = mmap.mmap(file.fileno(), PAGES * PAGE, mmap.MAP_PRIVATE, offset=PAGE)
        mapped, start = mapped_at(memory)
        memory[3 * PAGE] = 1
        found = touched_pages(os.getpid(), mapped, start, len(memory))
        assert found[[3, 8]].all()
        assert not found[PAGES // 2 :].any()
        monkeypatch.setattr(touched, "open_mapped", lambda pid, mapped: None)
        assert touched_pages(os.getpid(), mapped, start, len(memory)).all()


def test_what_nobody_tells_may_hold_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a process that is not there, of addresses that are none, and where pages have another size."""
    mapped = Mapped(0, 0, False, 0, 0, "")
    assert touched_pages(0, mapped, 0, 3 * PAGE).all()
    assert touched_pages(os.getpid(), mapped, 1 << 60, 3 * PAGE).all()
    monkeypatch.setattr(mmap, "PAGESIZE", 65536)
    assert touched_pages(os.getpid(), mapped, 0, 3 * PAGE).all()
