"""``domctx.cli.options``: the options that several commands share are the same in each."""

from __future__ import annotations

import click
import pytest

from domctx.cli.commands import COMMANDS
from domctx.cli.run import domctx
from domctx.cli.session import Session

SHARED = {
    "given": ({"convert", "diff", "info", "load", "save", "show", "verify"}, ["-O"], True),
    "force": ({"convert", "load", "save", "types"}, ["--force"], False),
    "drop": ({"convert", "load", "save"}, ["--drop"], True),
    "allow_newer": ({"convert", "diff", "info", "load", "save", "show", "verify"}, ["--allow-newer"], False),
    "as_json": ({"diff", "formats", "info", "plugins", "save", "show", "types", "verify"}, ["--json"], False),
}


@pytest.mark.parametrize("name", SHARED)
def test_shared(name: str) -> None:
    """The option stands in just these commands, and is the same option there."""
    commands, flags, multiple = SHARED[name]
    assert isinstance(domctx, click.Group)
    context = click.Context(domctx, obj=Session())
    found: dict[str, click.Parameter] = {}
    for command in COMMANDS:
        known = domctx.get_command(context, command)
        assert known is not None
        for option in known.params:
            if option.name == name:
                found[command] = option
    assert set(found) == commands
    for option in found.values():
        assert isinstance(option, click.Option)
        assert (option.opts, option.multiple, option.is_flag) == (flags, multiple, not multiple)
        assert option.help
