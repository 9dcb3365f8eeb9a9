"""``domctx.cli.room``: whether a file fits on its disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domctx.cli.room import check_room
from domctx.context import Operation
from domctx.errors import DomainError
from domctx.save import Estimate


def rows(bound: int, sampled: int | None) -> tuple[list[Estimate], list[bool]]:
    """An exact row of ten octets and a bounded one; and a list of what was asked for."""
    return [Estimate("A", 10, exact=True), Estimate("B", bound, exact=False, sampled=sampled)], []


def check(path: Path, bound: int, sampled: int | None) -> tuple[list[bool], list[str]]:
    """What was asked for (samples or not), and what was noted."""
    found, asked = rows(bound, sampled)

    def estimate(sample: bool) -> list[Estimate]:
        asked.append(sample)
        return found

    with Operation() as operation:
        check_room(str(path), estimate, operation)
        return asked, operation.notes


def free(path: Path) -> int:
    """Octets that are free."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def test_fits(tmp_path: Path) -> None:
    """Where the upper bound fits, no sample is taken and nothing is said."""
    assert check(tmp_path / "a", 1000, None) == ([False], [])


def test_may_not_fit(tmp_path: Path) -> None:
    """Where the bound does not fit but a sample does, that is noted."""
    asked, notes = check(tmp_path / "a", free(tmp_path) * 2, 1000)
    assert asked == [False, True]
    assert len(notes) == 1
    assert "octets may be needed" in notes[0]


def test_unknown(tmp_path: Path) -> None:
    """Where there is no sample either, only the exact sizes can refuse."""
    assert len(check(tmp_path / "a", free(tmp_path) * 2, None)[1]) == 1


def test_does_not_fit(tmp_path: Path) -> None:
    """Where exact sizes and samples do not fit, the save is refused before anything is written."""
    with pytest.raises(DomainError, match="the image does not fit on the disk"):
        check(tmp_path / "a", free(tmp_path) * 2, free(tmp_path) * 2)


def test_no_folder(tmp_path: Path) -> None:
    """A folder that does not exist is told by name."""
    with pytest.raises(DomainError, match="none: No such file or directory"):
        check(tmp_path / "none" / "a", 1, None)
