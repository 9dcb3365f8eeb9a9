"""Names of things that are imported when they are first used: what a plugin declares costs nothing until then."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def imported(target: str) -> Any:
    """What ``module:attribute`` names, its module imported. Raises what the import raises, and AttributeError."""
    module, _, attribute = target.partition(":")
    value: Any = import_module(module)
    for part in filter(None, attribute.split(".")):
        value = getattr(value, part)
    return value


class _Later:
    """Stands for a function; it is named as that one wherever handlers are named."""

    def __init__(self, target: str) -> None:
        self.__module__, _, self.__qualname__ = target.partition(":")
        self._target = target

    def __call__(self, *arguments: Any) -> Any:
        return imported(self._target)(*arguments)


def later(target: str) -> Callable[..., Any]:
    """The function that ``module:function`` names; its module is imported when it is first called."""
    return _Later(target)
