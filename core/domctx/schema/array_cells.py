"""The codecs of arrays: numbers as ``struct`` gives them, structs unpacked in one go, and anything else one by one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap
from typing import TYPE_CHECKING, Any

from domctx.schema.cells import Cell, IntegerCell, PackedCell
from domctx.schema.problems import FieldError
from domctx.values import frozen

if TYPE_CHECKING:
    from domctx.schema.plan import Plan


def tuple_of(value: Any, length: int) -> tuple[Any, ...]:
    """``value``, which must be a tuple of ``length``. Raises FieldError."""
    if not isinstance(value, tuple):
        raise FieldError("not a tuple", got=type(value).__name__)
    if len(value) != length:
        raise FieldError("wrong length", expected=f"{length} elements", got=len(value))
    return value


def explain_items(element: Cell, items: Sequence[Any]) -> FieldError | None:
    """Which of ``items`` ``struct`` refused, and why."""
    problems = ((index, element.explain(item)) for index, item in enumerate(items))
    return next((problem.within(f"[{index}]") for index, problem in problems if problem), None)


@frozen
class NumbersCell:
    """Integers one behind the other; ``struct`` makes the tuple."""

    element: IntegerCell
    count: int

    @property
    def code(self) -> str:
        return f"{self.count}{self.element.code}"

    def unpack(self, values: Sequence[Any]) -> Any:
        return values

    def pack(self, value: Any) -> Sequence[Any]:
        return tuple_of(value, self.count)

    def explain(self, value: Any) -> FieldError | None:
        return explain_items(self.element, value)


@frozen
class StructsCell(PackedCell):
    """Structs one behind the other, unpacked in one go."""

    plan: Plan
    length: int
    count = 1

    @property
    def code(self) -> str:
        return f"{self.plan.size * self.length}s"

    def unpack(self, values: Sequence[Any]) -> Any:
        unpacked = self.plan.packer.iter_unpack(values[0])
        if self.plan.direct:
            return tuple(starmap(self.plan.cls, unpacked))
        made: list[Any] = []
        try:
            made.extend(map(self.plan.make, unpacked))
        except FieldError as error:
            raise error.within(f"[{len(made)}]") from None
        return tuple(made)

    def pack(self, value: Any) -> Sequence[Any]:
        elements = tuple_of(value, self.length)
        packed: list[bytes] = []
        try:
            packed.extend(map(self.plan.pack, elements))
        except FieldError as error:
            raise error.within(f"[{len(packed)}]") from None
        return (b"".join(packed),)


@frozen
class ElementsCell:
    """Anything else one behind the other: octets, text, arrays of arrays."""

    element: Cell
    length: int

    @property
    def code(self) -> str:
        return self.element.code * self.length

    @property
    def count(self) -> int:
        return self.element.count * self.length

    def unpack(self, values: Sequence[Any]) -> Any:
        step = self.element.count
        return tuple(self.element.unpack(values[start : start + step]) for start in range(0, len(values), step))

    def pack(self, value: Any) -> Sequence[Any]:
        packed: list[Any] = []
        for index, item in enumerate(tuple_of(value, self.length)):
            try:
                packed.extend(self.element.pack(item))
            except FieldError as error:
                raise error.within(f"[{index}]") from None
        return packed

    def explain(self, value: Any) -> FieldError | None:
        return explain_items(self.element, value)
