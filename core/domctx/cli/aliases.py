"""Plain aliases: ``--ALIAS VALUE`` on a command line is ``-O NAME=VALUE`` of the option that declares the alias."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import click

from domctx.errors import UsageError

if TYPE_CHECKING:
    from domctx.api import Option
    from domctx.manager import Plugin

    Known = Callable[[], Mapping[str, tuple[Option, Plugin]]]

GIVEN: Final = "given"
"""The parameter of a command that takes ``-O NAME=VALUE``."""


def spell_out(command: click.Command, arguments: Sequence[str], known: Known) -> list[str]:
    """The arguments with every alias written as ``-O``; which are ``known`` is asked only where an option needs it.

    Raises UsageError for an alias without the value that it needs.
    """
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    if not any(option.name == GIVEN for option in options):
        return list(arguments)
    own = {name: option for option in options for name in (*option.opts, *option.secondary_opts)} | {"--help": None}
    if all(_name(argument) in own for argument in arguments if _is_long(argument)):
        return list(arguments)
    return list(_spelled(iter(arguments), own, {name: held for name, (held, _) in known().items()}))


def _spelled(
    arguments: Iterator[str], own: Mapping[str, click.Option | None], aliases: Mapping[str, Option]
) -> Iterator[str]:
    for argument in arguments:
        option = own.get(argument)
        alias = aliases.get(_name(argument)[2:]) if _is_long(argument) and _name(argument) not in own else None
        if argument == "--":
            yield from (argument, *arguments)
        elif alias is not None:
            yield from ("-O", f"{alias.name}={_value(alias, argument, arguments)}")
        elif option is not None and not option.is_flag:
            yield from (argument, *(value for value in (next(arguments, None),) if value is not None))
        else:
            yield argument


def _value(option: Option, argument: str, following: Iterator[str]) -> str:
    name, equals, value = argument.partition("=")
    if equals:
        return value
    if option.type is bool:
        return "true"
    found = next(following, None)
    if found is None:
        raise UsageError(f"option {name} needs a value", hint=f"write {name}=VALUE")
    return found


def _is_long(argument: str) -> bool:
    return argument.startswith("--") and argument != "--"


def _name(argument: str) -> str:
    return argument.partition("=")[0]
