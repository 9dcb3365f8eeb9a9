"""What is known of the core's commands before any is imported."""

from __future__ import annotations

from importlib import import_module

import click

from domctx.cli.aliases import GIVEN
from domctx.cli.commands import COMMANDS, OPTIONS


def test_options_that_are_taken() -> None:
    """Are those of all commands that take options of formats and record types."""
    found = {"--help"}
    for target, _ in COMMANDS.values():
        module, _, attribute = target.partition(":")
        command = getattr(import_module(module), attribute)
        options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
        if any(option.name == GIVEN for option in options):
            found |= {name for option in options for name in (*option.opts, *option.secondary_opts)}
    assert {f"--{name}" for name in OPTIONS} == {name for name in found if name.startswith("--")}
