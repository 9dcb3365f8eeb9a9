"""Pipes that are read like files."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, strategies as st

from domctx.errors import DomainError, UnsupportedError
from domctx_qemu_stream.arriving import CAPACITY, UNKNOWN, ArrivingFile
from helpers.qemu_arriving import arriving


@given(st.binary(max_size=5000), st.lists(st.integers(1, 999), max_size=3), st.lists(st.integers(0, 700)))
def test_reads_are_exact(octets: bytes, pieces: list[int], sizes: list[int]) -> None:
    """Whatever the pieces in which it comes: what is asked for is there, fewer only at the end."""
    with arriving(octets, pieces) as file:
        at = 0
        for size in sizes:
            assert file.read(at, size) == octets[at : at + size]
            at = min(at + size, len(octets))
            file.let_go(at)
        assert bytes(file.window(at)) == octets[at:]
        assert file.size == len(octets)
        assert file.cut("x").offset == len(octets)


def test_windows_go_on(tmp_path: object) -> None:
    """A stream much longer than what is held passes through windows; each holds a good piece until the end."""
    octets = os.urandom(3 * CAPACITY + 12345)
    with arriving(octets, (1 << 16, 5000)) as file:
        at, found = 0, bytearray()
        while view := file.window(at):
            step = max(len(view) - 99, 1) if len(view) > 99 else len(view)
            found += view[:step]
            at += step
        assert found == octets


def test_more_at_once_than_is_held() -> None:
    """Is refused, with the place."""
    with arriving(bytes(CAPACITY + 4096)) as file:
        file.let_go(16)
        with pytest.raises(UnsupportedError, match="longer than what is held") as caught:
            file.read(16, CAPACITY + 1)
        assert caught.value.offset == 16


def test_nothing_arrives() -> None:
    """A pipe that stays open and empty is not waited for without end."""
    reading, writing = os.pipe()
    file = ArrivingFile(reading, "pipe", patience=0.01)
    with pytest.raises(DomainError, match=r"nothing arrives any more; expected within 0\.01 s"):
        file.read(0, 1)
    assert file.size == UNKNOWN
    file.close()
    os.close(writing)


def test_a_pipe_that_cannot_be_read() -> None:
    """What the system says is told."""
    reading, writing = os.pipe()
    os.close(reading)
    file = ArrivingFile(writing, "pipe")
    with pytest.raises(DomainError, match="pipe: Bad file descriptor"):
        file.read(0, 1)
    file.close()
