"""Values are compared, hashed and shown as attrs would do it."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from domctx.values import frozen


@frozen
class Spot:
    """A value with a field that does not count, and one that is not shown."""

    name: str
    place: int = 0
    note: str = attrs.field(default="", eq=False)
    secret: bytes = attrs.field(default=b"", repr=False)


@frozen(kw_only=True)
class Wide(Spot):
    """A value that has more."""

    width: int = 1


@frozen
class Empty:
    """A value without fields."""


@frozen(eq=False)
class Thing:
    """Equal to itself only."""

    name: str


@frozen
class Odd:
    """A value with methods of its own."""

    name: str

    def __repr__(self) -> str:
        return "odd"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd)

    def __hash__(self) -> int:
        return 7


def _twin(name: str, **details: Any) -> Any:
    """``Spot`` as attrs itself makes it."""
    fields = {
        "name": attrs.field(),
        "place": attrs.field(default=0),
        "note": attrs.field(default="", eq=False),
        "secret": attrs.field(default=b"", repr=False),
    }
    return attrs.make_class(name, fields, frozen=True, slots=True, **details)


TWIN = _twin("Spot")
SPOTS = st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.sampled_from("xy"), st.sampled_from([b"", b"1"]))


@given(SPOTS, SPOTS)
def test_as_attrs_does_it(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    """Equality, hashes that go with it, and what is shown are those of the class that attrs makes."""
    assert (Spot(*one) == Spot(*other)) == (TWIN(*one) == TWIN(*other))
    assert (Spot(*one) != Spot(*other)) == (TWIN(*one) != TWIN(*other))
    assert len({Spot(*one), Spot(*other)}) == len({TWIN(*one), TWIN(*other)})
    assert repr(Spot(*one)) == repr(TWIN(*one))


def test_another_class_is_never_equal() -> None:
    """Not even one with the same fields, nor one that inherits them."""
    assert Spot("a") != TWIN("a")
    assert Spot("a") != Wide(name="a")
    assert Spot("a").__eq__(("a", 0, "", b"")) is NotImplemented
    assert Empty() == Empty()


def test_fields_that_are_inherited_count() -> None:
    """Those of the class above come first."""
    assert Wide(name="a", width=2) != Wide(name="a")
    assert hash(Wide(name="a", note="x")) == hash(Wide(name="a"))
    assert repr(Wide(name="a")) == "Wide(name='a', place=0, note='', width=1)"


def test_shown_by_the_qualified_name() -> None:
    """Without the function that the class was made in; a field that is not set yet is shown as attrs shows it."""

    class Outer:
        @frozen
        class Inner:
            x: int

    assert repr(Outer.Inner(1)) == "Outer.Inner(x=1)"
    assert repr(Outer.Inner.__new__(Outer.Inner)) == "Outer.Inner(x=NOTHING)"


def test_without_equality() -> None:
    """``eq=False`` leaves that of objects, and the value is shown all the same."""
    thing = Thing("a")
    assert thing != Thing("a")
    assert {thing: 1}[thing] == 1
    assert repr(thing) == "Thing(name='a')"


def test_methods_of_its_own_stay() -> None:
    """What a class says itself is not replaced."""
    assert repr(Odd("a")) == "odd"
    assert Odd("a") == Odd("b")
    assert hash(Odd("a")) == 7


def test_a_frozen_class_of_attrs() -> None:
    """Nothing can be set, and attrs' functions take it."""
    spot = Spot("a")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        spot.place = 1  # type: ignore[misc]  # it is what the test is about
    assert attrs.evolve(spot, place=1) == Spot("a", 1)
    assert attrs.asdict(spot) == {"name": "a", "place": 0, "note": "", "secret": b""}
    with pytest.raises(AttributeError):
        object.__setattr__(spot, "other", 1)
