"""``domctx.cli.progress``: lines of JSON, a bar on a terminal, nothing at all."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from domctx.cli.progress import JsonLines, shown
from domctx.context import Operation


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def test_lines(capsys: Any) -> None:
    """A line comes when half a second has passed and at the end; rate and time left are in it."""
    clock = Clock()
    lines = JsonLines("save", 400, clock)
    lines.advance(100)
    assert capsys.readouterr().err == ""
    clock.now = 0.5
    lines.advance(100)
    assert json.loads(capsys.readouterr().err) == {"what": "save", "done": 200, "total": 400, "rate": 400, "left": 0.5}
    lines.advance(200)
    assert capsys.readouterr().err == ""
    lines.finish()
    assert json.loads(capsys.readouterr().err)["left"] == 0


def test_nothing_done(capsys: Any) -> None:
    """Where no time has passed there is no rate, and nobody knows what is left."""
    JsonLines("save", 400, Clock()).finish()
    assert json.loads(capsys.readouterr().err) == {"what": "save", "done": 0, "total": 400, "rate": 0, "left": None}


def test_json(capsys: Any) -> None:
    """``json`` prints a last line whatever the terminal is."""
    with Operation() as operation, shown(operation, "load", 10, mode="json"):
        operation.progress(10)
    assert json.loads(capsys.readouterr().err)["done"] == 10


class Terminal(io.StringIO):
    """A terminal that keeps what is drawn."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` draws a bar that names the work, on a terminal, from the first octets on."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Operation() as operation, shown(operation, "verify", 1 << 20, mode="auto"):
        assert terminal.getvalue() == ""
        operation.progress(1 << 19)
        operation.progress(1 << 19)
    assert "verify" in terminal.getvalue()


@pytest.mark.parametrize("mode", ["none", "auto"])
def test_silence(mode: str, capsys: Any) -> None:
    """``none`` draws nothing, and ``auto`` nothing where standard error is no terminal."""
    with Operation() as operation, shown(operation, "verify", 1, mode=mode):
        operation.progress(1)
    assert capsys.readouterr() == ("", "")
