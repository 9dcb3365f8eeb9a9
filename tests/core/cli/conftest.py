"""The command line over toys."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.toy_cli import Cli, cli_of


@pytest.fixture
def cli(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The toys, and the vendor's."""
    return cli_of(tmp_path, capfd, monkeypatch)


@pytest.fixture
def bare(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The toys alone: the vendor's types are unknown."""
    return cli_of(tmp_path, capfd, monkeypatch, vendor=False)
