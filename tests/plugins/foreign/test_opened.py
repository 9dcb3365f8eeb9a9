"""Foreign parts that are read when they are asked for."""

from __future__ import annotations

import pytest

from domctx.errors import DomainError
from domctx.states import ForeignPart
from domctx_foreign import OpenedForeign


def test_parts_are_read_when_they_are_asked_for() -> None:
    """One by one, from the end, some of them, or all; each time anew, and none before."""
    read: list[int] = []

    def part(place: int) -> ForeignPart:
        read.append(place)
        return ForeignPart("toy", f"part {place}", bytes(place))

    state = OpenedForeign("a.toy", 3, part)
    assert (state.parts, len(state), read) == (state, 3, [])
    assert state[-1] == ForeignPart("toy", "part 2", bytes(2))
    assert [found.name for found in state[:2]] == ["part 0", "part 1"]
    assert [found.name for found in state] == ["part 0", "part 1", "part 2"]
    assert read == [2, 0, 1, 0, 1, 2]
    with pytest.raises(IndexError):
        state[3]


def test_an_opened_file_takes_no_parts() -> None:
    """It is named."""
    with pytest.raises(DomainError, match=r"a\.toy: an opened file takes no parts"):
        OpenedForeign("a.toy", 0, lambda place: ForeignPart("", "", b"")).store(ForeignPart("toy", "x", b""))
