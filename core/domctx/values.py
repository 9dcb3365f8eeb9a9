"""Values: frozen attrs classes that are compared, hashed and shown by code that is written once, here.

attrs writes these methods anew for each class and compiles them, which is two thirds of the time that a class takes;
a short command makes a hundred classes before it begins.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from attrs import frozen as frozen
else:

    def frozen(cls: type[Any] | None = None, *, eq: bool = True, **details: Any) -> Any:
        """``attrs.frozen``, in a third of the time; ``eq=False`` as there.

        A field may be left out with ``eq=False`` and ``repr=False``; what attrs takes for a key or a format of a field
        is not known here. A class that has methods of its own for these keeps them.
        """

        def decorate(cls: type[Any]) -> type[Any]:
            own = vars(cls)
            made = attrs.frozen(cls, eq=False, repr=False, **details)
            if "__repr__" not in own:
                made.__repr__ = _shown
            if eq and "__eq__" not in own:
                made.__eq__, made.__hash__ = _compared(made)
            return made

        return decorate if cls is None else decorate(cls)


def _compared(cls: type[Any]) -> tuple[Callable[[Any, Any], Any], Callable[[Any], int]]:
    """``__eq__`` and ``__hash__`` of a class: by the class itself, and the values of its fields."""
    values = attrgetter("__class__", *(field.name for field in attrs.fields(cls) if field.eq))

    def equal(self: Any, other: Any) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values(self) == values(other)

    def hashed(self: Any) -> int:
        return hash(values(self))

    return equal, hashed


def _shown(self: Any) -> str:
    """As attrs shows it: the class by its qualified name, and the fields by theirs."""
    fields = (field.name for field in attrs.fields(self.__class__) if field.repr)
    shown = ", ".join(f"{name}={getattr(self, name, attrs.NOTHING)!r}" for name in fields)
    return f"{self.__class__.__qualname__.rpartition('>.')[2]}({shown})"
