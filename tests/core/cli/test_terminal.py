"""``domctx.cli.terminal``: what is told on standard error, and how."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path

import pytest

from domctx.cli.session import Session
from domctx.cli.terminal import complain, is_unread, printable, silence


class Unread(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, text: str) -> int:
        """Refuse."""
        raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))


def test_printable() -> None:
    """What a terminal obeys, and what would begin another line, is an escape; tabs and letters of any script stay."""
    assert printable("pläin") == "pläin"
    assert printable("a\x1b[31mb\n\tc\x07é") == "a\\x1b[31mb\\n\tc\\x07é"


def test_a_name_begins_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed as one line stays one; what is complained of keeps its own lines."""
    session = Session()
    session.echo("name: a\nfile: good")
    complain("one\n  two\x1b")
    session.close()
    assert capsys.readouterr() == ("name: a\\nfile: good\n", "one\n  two\\x1b\n")


def test_what_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to read standard error."""
    monkeypatch.setattr(sys, "stderr", Unread())
    complain("never read")


def test_silence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is written behind it goes nowhere, and is no error."""
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        out.write("before")
        out.flush()
        silence(sys.stdout)
        out.write("after")
    assert (tmp_path / "out").read_text() == "before"


def test_is_unread(tmp_path: Path) -> None:
    """A pipe whose reading end is closed, and nothing else: no file, no stream in memory, none at all."""
    reading, writing = os.pipe()
    with open(writing, "w") as pipe, (tmp_path / "out").open("w") as file:
        assert [is_unread(stream) for stream in (pipe, file, io.StringIO(), None)] == [False] * 4
        os.close(reading)
        assert is_unread(pipe)
