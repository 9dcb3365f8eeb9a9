"""``domctx.cli.aliases``: options of formats by their plain names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
import pytest

from domctx.api import Option
from domctx.cli.aliases import spell_out
from domctx.cli.load import command as load
from domctx.cli.session import Session
from domctx.errors import UsageError
from domctx.manager import Plugin
from helpers.toy_cli import cli_of

Aliases = Mapping[str, tuple[Option, Plugin]]


@pytest.fixture
def aliases(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Aliases:
    """Those of the toys."""
    cli_of(tmp_path, capsys, monkeypatch)
    return Session().registry.aliases


@pytest.mark.parametrize(
    ("arguments", "spelled"),
    [
        ("a b", "a b"),
        ("a --fail pause b", "a -O fail=pause b"),
        ("a --fail=pause b", "a -O fail=pause b"),
        ("a --fresh", "a -O fresh=true"),
        ("--fresh=no a", "-O fresh=no a"),
        ("--drop --fail --fresh", "--drop --fail -O fresh=true"),
        ("--force --fail= -- --fresh --fail", "--force -O fail= -- --fresh --fail"),
        ("--fresh --force a", "-O fresh=true --force a"),
        ("--unheard of", "--unheard of"),
        ("--fresh --drop", "-O fresh=true --drop"),
    ],
)
def test_spelled_out(aliases: Aliases, arguments: str, spelled: str) -> None:
    """An alias becomes ``-O``; the values of the command's own options, and what stands behind ``--``, stay."""
    assert spell_out(load, arguments.split(), lambda: aliases) == spelled.split()


def test_plugins_are_not_asked_for_what_is_the_command_s_own() -> None:
    """Nor for a command that takes no options of formats."""

    def unasked() -> Aliases:
        raise AssertionError

    own = ["--force", "-O", "a=b", "--drop=memory", "x", "--help"]
    assert spell_out(load, own, unasked) == own
    assert spell_out(click.Command("bare"), ["--fail", "now"], unasked) == ["--fail", "now"]


def test_without_its_value(aliases: Aliases) -> None:
    """An alias that needs a value is refused without one."""
    with pytest.raises(UsageError, match="option --fail needs a value"):
        spell_out(load, ["a", "--fail"], lambda: aliases)
