"""``domctx formats`` and ``domctx plugins``: lists for people and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domctx.cli.run import run


def test_formats(capsys: Any) -> None:
    """Each scheme stands with what it can do and its options."""
    assert run(["formats"]) == 0
    text = capsys.readouterr().out
    assert "lgr:" in text
    assert "-O variant=" in text


def test_formats_json(capsys: Any) -> None:
    """The JSON has every scheme with its plugin and the options that it declares."""
    assert run(["formats", "--json"]) == 0
    rows = {row["scheme"]: row for row in json.loads(capsys.readouterr().out)["formats"]}
    assert rows["dctx"]["can"] == ["open", "write"]
    assert rows["sim"]["can"] == ["open", "create", "update"]
    assert rows["lgr"]["plugin"] == "domctx:lgr"
    assert {option["name"]: option["choices"] for option in rows["lgr"]["options"]}["variant"] == ["A3", "B"]
    roles = {option["name"]: option["role"] for option in rows["qmp"]["options"]}
    assert (roles["then"], roles["start"]) == ("source", "goal")


def test_plugins(capsys: Any, tmp_path: Path) -> None:
    """Each plugin stands with its state, and a broken one with its cause."""
    bad = tmp_path / "bad.py"
    bad.write_text("raise RuntimeError('worn out')")
    assert run(["--plugin", str(bad), "plugins"]) == 0
    text = capsys.readouterr().out
    assert "domctx:memory" in text
    assert [line for line in text.splitlines() if "bad.py" in line and "broken" in line and "worn out" in line]


def test_plugins_json(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The JSON tells a disabled plugin too."""
    monkeypatch.setenv("DOMCTX_DISABLE_PLUGINS", "domctx:sim")
    assert run(["plugins", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["plugins"]}
    assert rows["domctx:sim"]["status"] == "disabled"
    assert rows["domctx:memory"]["status"] == "loaded"
    assert set(rows["domctx:sim"]) == {"name", "distribution", "version", "target", "status", "cause"}
