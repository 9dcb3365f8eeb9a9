"""Options of formats and record types: ``-O name=value``, checked against what is declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domctx.api import Format, Option, Role
from domctx.errors import UsageError

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def parse(given: Iterable[str], declared: Sequence[Option]) -> dict[str, Any]:
    """The values of ``given`` (``name=value`` each) by name.

    Raises UsageError for an option that nobody declares, a value that does not fit, or one given twice.
    """
    by_name = {option.name: option for option in declared}
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        option = by_name.get(name)
        if option is None:
            known = ", ".join(sorted(by_name)) or "none"
            raise UsageError(f"there is no option {name!r} here", hint=f"-O NAME=VALUE; known: {known}")
        if not equals:
            raise UsageError(f"option {name!r} has no value", hint=f"write -O {name}=VALUE")
        if option.multiple:
            values[name] = (*values.get(name, ()), _value(option, value))
        elif name in values:
            raise UsageError(f"option {name!r} is given twice")
        else:
            values[name] = _value(option, value)
    return values


def check(given: Sequence[str], sources: Iterable[Format], goals: Iterable[Format], more: Iterable[Option]) -> None:
    """Refuse what none of these formats declares for what it is here, nor ``more`` has. Raises UsageError as ``parse``.

    An option that only means something on the other side is named: it would be ignored.
    """
    declared, idle = list(more), {}
    for role, formats in ((Role.SOURCE, sources), (Role.GOAL, goals)):
        for format_ in formats:
            for option in format_.options:
                if option.role in (None, role):
                    declared.append(option)
                else:
                    idle[option.name] = (
                        f"option {option.name!r} means nothing here: {format_.scheme}: is the {role.value}"
                    )
    known = {option.name for option in declared}
    for text in given:
        name = text.partition("=")[0]
        if name in idle and name not in known:
            raise UsageError(idle[name], hint="leave it out")
    parse(given, declared)


def select(given: Iterable[str], declared: Sequence[Option]) -> dict[str, Any]:
    """As ``parse``, of those options of ``given`` that are declared; the others are for somebody else."""
    names = {option.name for option in declared}
    return parse([text for text in given if text.partition("=")[0] in names], declared)


def value_of(name: str, values: Mapping[str, Any], declared: Iterable[Option]) -> Any:
    """The value of an option that is declared; its default where none was given. Raises KeyError for any other."""
    option = next((option for option in declared if option.name == name), None)
    if option is None:
        raise KeyError(f"option {name!r} is not declared")
    return values.get(name, () if option.multiple else option.default)


def _value(option: Option, text: str) -> str | int | bool:
    if option.type is bool:
        if text.lower() in (*_TRUE, *_FALSE):
            return text.lower() in _TRUE
        raise _wrong(option, text, "true or false")
    if option.type is int:
        try:
            return int(text, 0)
        except ValueError:
            raise _wrong(option, text, "a number") from None
    if option.choices and text not in option.choices:
        raise _wrong(option, text, " or ".join(option.choices))
    return text


def _wrong(option: Option, text: str, expected: str) -> UsageError:
    return UsageError(f"option {option.name!r} has a wrong value", expected=expected, got=repr(text))
