"""Files that are looked at in order, a window at a time."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from domctx.errors import DomainError, StreamError
from domctx.files import CutError
from domctx_qemu_stream import windows
from domctx_qemu_stream.files import StreamFile, open_file
from domctx_qemu_stream.windows import Windows

PAGE = 4096
OCTETS = os.urandom(20 * PAGE + 123)
WINDOW, OVERLAP = 2 * PAGE, PAGE


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of two pages, and one more."""
    monkeypatch.setattr(windows, "WINDOW", WINDOW)
    monkeypatch.setattr(windows, "OVERLAP", OVERLAP)
    monkeypatch.setattr(windows, "AROUND", PAGE)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[StreamFile]:
    """A file of ten windows and a piece."""
    (tmp_path / "file").write_bytes(OCTETS)
    file = open_file(str(tmp_path / "file"))
    yield file
    file.close()


def helpers() -> list[threading.Thread]:
    """The threads of windows."""
    return [thread for thread in threading.enumerate() if thread.name == "domctx-windows"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(-3 * PAGE, 3 * PAGE), max_size=30))
def test_octets_are_the_files_wherever_one_looks(file: StreamFile, steps: list[int]) -> None:
    """Forth in small steps and large ones, and back: what is found is what stands there, and enough of it."""
    seen = Windows(file)
    offset = 0
    for step in steps:
        offset = min(max(offset + step, 0), len(OCTETS))
        view = seen.at(offset)
        assert OCTETS[offset:].startswith(view)
        assert len(view) > OVERLAP or offset + len(view) == len(OCTETS)
        del view
    seen.close()
    assert helpers() == []


def test_a_thread_helps_who_goes_on(file: StreamFile) -> None:
    """There is none for one window, nor where windows are left out; there is one from the second in order on."""
    seen = Windows(file)
    for offset in (0, PAGE, 3 * WINDOW, 8 * WINDOW):
        seen.at(offset)
        assert helpers() == []
    for offset in (9 * WINDOW, 10 * WINDOW, len(OCTETS)):
        assert bytes(seen.at(offset)[:9]) == OCTETS[offset : offset + 9]
        assert len(helpers()) == 1
    seen.at(0)
    assert helpers() == []
    seen.close()


def test_few_windows_are_held(file: StreamFile) -> None:
    """Those that were looked at are given back to the system while one goes on."""
    seen = Windows(file)
    for number in range(8):
        seen.at(number * WINDOW)
    name = os.readlink(f"/proc/self/fd/{file.descriptor}")
    held = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(name)]
    assert 1 <= len(held) <= 1 + windows.AHEAD
    seen.close()
    assert name not in Path("/proc/self/maps").read_text()


def test_a_file_that_is_cut_does_not_end_the_thread(file: StreamFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that are gone when the thread comes to them are left to who looks at them; windows behind are refused."""
    octets = memoryview(mmap.mmap(file.descriptor, len(OCTETS), access=mmap.ACCESS_READ))
    os.truncate(file.name, 0)
    seen = Windows(file)
    monkeypatch.setattr(seen, "_check_size", lambda: None)  # it was cut a moment later
    with monkeypatch.context() as patch:
        patch.setattr(Windows, "_mapped", lambda _, number: octets[number * WINDOW :][: WINDOW + OVERLAP])
        for number in range(6):
            assert len(seen.at(number * WINDOW)) == WINDOW + OVERLAP
    assert len(helpers()) == 1
    with pytest.raises(StreamError, match="cannot be mapped"):
        seen.at(6 * WINDOW)
    seen.close()


@pytest.mark.parametrize("number", [1, 5])
def test_a_file_that_was_cut_is_not_looked_at(number: int, file: StreamFile) -> None:
    """Neither in the window that comes next, which is mapped already, nor in another."""
    seen = Windows(file)
    seen.at(0)
    os.truncate(file.name, PAGE)
    with pytest.raises(CutError, match="file at 0x0000000000001000: the file was cut while it was read"):
        seen.at(number * WINDOW)
    seen.close()
    assert helpers() == []


def refuse(_: str) -> int:
    """No file in memory."""
    raise OSError(24, "Too many open files")


@pytest.mark.parametrize("given", [refuse, None])
def test_a_system_without_files_in_memory(
    file: StreamFile, monkeypatch: pytest.MonkeyPatch, given: Callable[[str], int] | None
) -> None:
    """Pages are then mapped when they are looked at, and nobody waits for the thread in vain; also where Python knows
    of no such files.
    """
    if given is None:
        monkeypatch.delattr(os, "memfd_create")
    else:
        monkeypatch.setattr(os, "memfd_create", given)
    look_at_all(file)


def test_a_system_that_gives_no_thread(file: StreamFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are then mapped when they are looked at."""

    def limited(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", limited)
    look_at_all(file)


def look_at_all(file: StreamFile) -> None:
    """Window for window, which are the file's."""
    seen = Windows(file)
    for number in range(8):
        offset = number * WINDOW
        assert bytes(seen.at(offset)) == OCTETS[offset : offset + WINDOW + OVERLAP]
    seen.close()
    assert helpers() == []


def test_a_file_that_cannot_be_mapped(file: StreamFile) -> None:
    """Is told, with the place; what goes on ends with it."""
    seen = Windows(file)
    for number in (0, 1):
        seen.at(number * WINDOW)
    descriptor, file.descriptor = file.descriptor, -2
    with pytest.raises(DomainError, match="cannot be mapped; got Bad file descriptor") as caught:
        seen.at(2 * WINDOW)
    assert caught.value.offset == (2 + windows.AHEAD) * WINDOW
    file.descriptor = descriptor
    seen.close()
    assert helpers() == []
