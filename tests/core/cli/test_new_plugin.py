"""``domctx new-plugin`` writes a folder whose tests pass as written, and never writes over anything."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from domctx.cli import new_plugin
from domctx.cli.run import run
from domctx.errors import DomainError, UsageError
from domctx.wire import code_range
from helpers.distributions import domctx

NAMES = ["acme/tpm", "acme-gmbh/clock-2", "x/none", "y/context", "z/u32"]


def files(folder: Path) -> list[str]:
    """Every file of a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_writes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is named as the distribution, and holds package, tests and what pip needs."""
    monkeypatch.chdir(tmp_path)
    assert run(["new-plugin", "acme/tpm"]) == 0
    assert files(tmp_path / "acme-tpm") == [
        "README.md",
        "acme_tpm/__init__.py",
        "acme_tpm/layout.py",
        "acme_tpm/plugin.py",
        "acme_tpm/py.typed",
        "acme_tpm/stored.py",
        "pyproject.toml",
        "tests/test_contract.py",
    ]
    captured = capsys.readouterr()
    assert captured.out == "acme-tpm: acme/tpm, code 0x7b3f5785\n"
    assert "python -m pytest acme-tpm" in captured.err


@pytest.mark.parametrize("name", NAMES)
def test_every_name_gives_python(tmp_path: Path, name: str) -> None:
    """Whatever the name, what is written is Python, and nothing of the templates is left open."""
    goal = tmp_path / "made"
    new_plugin.write(goal, new_plugin.substitutes(name))
    for path in goal.rglob("*.py"):
        ast.parse(path.read_text())
        assert "$" not in path.read_text()


@pytest.mark.parametrize(
    "name", ["tpm", "Acme/tpm", "acme/", "/tpm", "acme/t pm", "acme/tpm/x", "a--b/c", "../x", "1a/b", "é/b"]
)
def test_names_that_are_none(name: str) -> None:
    """A name that is not NAMESPACE/TYPE in plain letters is refused; it never becomes a path."""
    with pytest.raises(UsageError, match="no name for a record type of a third party"):
        new_plugin.substitutes(name)


def test_the_namespace_of_domctx_is_taken() -> None:
    """Nobody gets the namespace of the bundled plugins."""
    with pytest.raises(UsageError, match="the namespace domctx is taken"):
        new_plugin.substitutes("domctx/tpm")


def test_codes_are_self_assigned() -> None:
    """A code lies in the self-assigned range; types of one namespace share a block; the same name gives the same."""
    for name in NAMES:
        code = new_plugin.self_assigned(*name.split("/"))
        assert code_range(code).owner == "self-assigned"
        assert code == new_plugin.self_assigned(*name.split("/"))
    blocks = {new_plugin.self_assigned("acme", kind) // 0x100 for kind in ("tpm", "clock", "disk")}
    assert len(blocks) == 1
    assert code_range(new_plugin.FIRST).first == new_plugin.FIRST
    assert code_range(new_plugin.FIRST).last == new_plugin.FIRST + new_plugin.BLOCKS * new_plugin.BLOCK - 1


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder or file that exists stays as it is."""
    (tmp_path / "there").write_text("mine")
    assert run(["new-plugin", "acme/tpm", "-o", str(tmp_path / "there")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert files(tmp_path) == ["there"]


def test_the_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk refuses, nothing is left behind."""
    with pytest.raises(DomainError, match="No such file or directory"):
        new_plugin.write(tmp_path / "none" / "made", new_plugin.substitutes("acme/tpm"))

    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(DomainError, match="No space left on device"):
        new_plugin.write(tmp_path / "made", new_plugin.substitutes("acme/tpm"))
    assert files(tmp_path) == []


@pytest.mark.slow
def test_plugin_is_installed_tested_and_typed(tmp_path: Path) -> None:
    """What is written installs with pip, its tests pass as written, it is typed, and domctx lists it."""
    goal, site = tmp_path / "acme-tpm", tmp_path / "site"
    assert run(["new-plugin", "acme/tpm", "-o", str(goal)]) == 0
    python = [sys.executable, "-m"]
    check(*python, "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", site, goal, cwd=tmp_path)
    check(*python, "pytest", "-q", "-p", "no:cacheprovider", goal, cwd=tmp_path)
    check(*python, "mypy", "--cache-dir", os.devnull, ".", cwd=goal)
    check(*python, "ruff", "check", "--no-cache", ".", cwd=goal)
    check(*python, "ruff", "format", "--check", "--no-cache", ".", cwd=goal)
    found = domctx("types", "acme/tpm", site=site)
    assert (found.returncode, found.stdout.split()[:3]) == (0, [b"0x7b3f5785", b"acme/tpm", b"v1"])
    assert b"acme-tpm:main" in domctx("plugins", site=site).stdout


def check(*command: object, cwd: Path) -> None:
    """Run a command, which must succeed."""
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    environment = {**os.environ, "PYTHONPATH": "", **quiet}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
