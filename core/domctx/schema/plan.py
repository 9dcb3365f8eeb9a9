"""What a layout class is compiled to: one ``struct`` format for each version of its body, and a cell for each field."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import repeat
from typing import Any, Final, cast

import attrs

from domctx.schema.cells import Cell, PackedCell
from domctx.schema.markers import Marker
from domctx.schema.problems import FieldError
from domctx.values import frozen

ATTRIBUTE: Final = "__domctx_layout__"
FACTORY: Final[type[Any]] = cast("type[Any]", attrs.Factory)
"""What attrs keeps a default in that it makes anew for each object (its stubs call the class a function)."""

_set = object.__setattr__
_new = object.__new__


@frozen
class Slot:
    """One field as the class declares it."""

    name: str
    marker: Marker
    attribute: attrs.Attribute[Any]
    since: int


@frozen
class Step:
    """One field of fixed size: its cell, where its struct values stand, and its offset in octets."""

    name: str
    cell: Cell
    start: int
    stop: int
    offset: int
    size: int


@frozen(eq=False)
class Plan:
    """How the bodies of one version of a layout are packed."""

    cls: type[Any]
    packer: struct.Struct
    steps: tuple[Step, ...]
    tail: Slot | None
    """The field that takes the rest of the body."""
    absent: tuple[Slot, ...]
    """The fields that came with a later version."""
    direct: bool
    """Whether the class itself makes an object from the struct values: one for each argument, none to be checked."""

    @property
    def size(self) -> int:
        """Octets of the fixed part."""
        return self.packer.size

    def make(self, values: Sequence[Any]) -> Any:
        """An object of the class from struct values; neither validators nor converters run. Raises FieldError."""
        if self.direct:
            return self.cls(*values)
        made = _new(self.cls)
        for step in self.steps:
            try:
                _set(made, step.name, step.cell.unpack(values[step.start : step.stop]))
            except FieldError as error:
                raise error.within(step.name) from None
        for slot in self.absent:
            _set(made, slot.name, default_of(slot.attribute))
        return made

    def unpack(self, octets: bytes | memoryview) -> Any:
        """An object of the class from the octets of the fixed part. Raises FieldError."""
        return self.make(self.packer.unpack(octets))

    def pack(self, value: Any) -> bytes:
        """The octets of the fixed part of an object of the class. Raises FieldError."""
        if not isinstance(value, self.cls):
            raise FieldError("of another class", expected=self.cls.__name__, got=type(value).__name__)
        packed: list[Any] = []
        for step in self.steps:
            try:
                packed.extend(step.cell.pack(getattr(value, step.name)))
            except FieldError as error:
                raise error.within(step.name) from None
        try:
            return self.packer.pack(*packed)
        except struct.error as error:
            raise next(filter(None, map(self._explain, self.steps, repeat(value)))) from error

    def _explain(self, step: Step, value: Any) -> FieldError | None:
        problem = step.cell.explain(getattr(value, step.name))
        return problem.within(step.name) if problem else None


def default_of(attribute: attrs.Attribute[Any]) -> Any:
    """The default of an attribute that has one."""
    default: Any = attribute.default
    return default.factory() if isinstance(default, FACTORY) else default


@frozen(eq=False)
class Layout:
    """What ``layout`` found out about a class."""

    cls: type[Any]
    source: str
    byte_order: str
    slots: tuple[Slot, ...]
    """The fields, in order."""
    versions: tuple[int, ...]
    """The body versions that brought a field, ascending; the first is 1."""
    plans: tuple[Plan, ...]
    """One for each of ``versions``."""

    def plan(self, version: int | None = None) -> Plan:
        """The plan of bodies of ``version``; of the newest where None."""
        if version is None:
            return self.plans[-1]
        return self.plans[max(0, sum(since <= version for since in self.versions) - 1)]


def layout_of(cls: Any) -> Layout:
    """The layout of a class that ``layout`` decorated. Raises TypeError for any other."""
    found = vars(cls).get(ATTRIBUTE) if isinstance(cls, type) else None
    if not isinstance(found, Layout):
        raise TypeError(f"{cls!r} is not a layout class: put @layout(source=...) above @attrs.frozen")
    return found


@frozen
class NestedCell(PackedCell):
    """A struct, which its own plan packs in its own byte order."""

    plan: Plan
    count = 1

    @property
    def code(self) -> str:
        return f"{self.plan.size}s"

    def unpack(self, values: Sequence[Any]) -> Any:
        return self.plan.unpack(values[0])

    def pack(self, value: Any) -> Sequence[Any]:
        return (self.plan.pack(value),)
