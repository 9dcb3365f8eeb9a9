"""Tests of domctx.schema.define: what layout refuses where a class is defined."""

from __future__ import annotations

from typing import Annotated, Any

import attrs
import pytest

from domctx.schema import U8, U16, U32, Array, Blob, Bytes, Cbor, Nested, Reserved, Text, layout, size_of
from helpers.layouts import Section, TrapInfo, make_layout


class Local:
    """Stands for a class that is no layout."""


def define(hint: Any, default: Any = attrs.NOTHING) -> type[Any]:
    """A layout class with one field ``x``."""
    body = {"__annotations__": {"x": hint}} | ({} if default is attrs.NOTHING else {"x": default})
    return layout(source="a test")(attrs.frozen(type("Bad", (), body)))


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        (int, "has 0 markers"),
        (Annotated[int, "text"], "has 0 markers"),
        (Annotated[int, U8], "has 0 markers"),
        (Annotated[int, U8("a"), U16("b")], "has 2 markers"),
        (Annotated[int, U8("")], "does not say what it means"),
        (Annotated[str, U8("a")], "is annotated as <class 'str'>, but U8 gives <class 'int'>"),
        (Annotated[int, Bytes(3, "a")], "but Bytes gives <class 'bytes'>"),
        (Annotated[bytes, Text(3, "a")], "but Text gives <class 'str'>"),
        (Annotated[str, Blob("a")], "but Blob gives <class 'bytes'>"),
        (Annotated[list[int], Array(U8, 3, "a")], r"but Array gives tuple\[int, \.\.\.\]"),
        (Annotated[tuple[int, ...], Array(TrapInfo, 3, "a")], r"but Array gives tuple\[.*TrapInfo, \.\.\.\]"),
        (Annotated[int, Nested(TrapInfo, "a")], "but Nested gives <class '.*TrapInfo'>"),
        (Annotated[bytes, Bytes(0, "a")], "has 0 elements; expected 1 or more"),
        (Annotated[bytes, Bytes("3", "a")], "has '3' elements"),  # type: ignore[arg-type]  # what the test is about
        (Annotated[bytes, Reserved(-1)], "has -1 elements"),
        (Annotated[tuple[str, ...], Array(Text(0, ""), 3, "a")], "has 0 elements"),
        (Annotated[int, U8("a", since=0)], "since is 0; expected a record version, 1 or more"),
        (Annotated[int, U8("a", since=None)], "since is None"),  # type: ignore[arg-type]  # what the test is about
        (Annotated[tuple[int, ...], Array(U8("", since=2), 3, "a")], "since belongs to the Array"),
        (Annotated[tuple[bytes, ...], Array(Reserved(1), 3, "a")], "cannot be the element of an Array"),
        (Annotated[tuple[bytes, ...], Array(Blob("a"), 3, "a")], "cannot be the element of an Array"),
        (Annotated[tuple[Any, ...], Array(7, 3, "a")], "7 cannot be the element of an Array"),
        (Annotated[tuple[Section, ...], Array(Section, 3, "a")], "Section ends with a tail, and cannot stand in"),
        (Annotated[Section, Nested(Section, "a")], "Section ends with a tail"),
        (Annotated[Local, Nested(Local, "a")], "Local'> is not a layout class"),
        (Annotated[bytes, Reserved(3)], r"is reserved, and needs the default bytes\(3\)"),
        (Annotated[int, U8("a", since=2)], "came with version 2, and needs a default for older bodies"),
    ],
)
def test_layout_refuses_a_bad_annotation(hint: Any, message: str) -> None:
    """Each annotation that cannot be compiled is a TypeError that says why."""
    with pytest.raises(TypeError, match=message):
        define(hint)


@pytest.mark.parametrize(
    ("hint", "default", "message"),
    [
        (Annotated[bytes, Reserved(3)], bytes(2), r"needs the default bytes\(3\)"),
        (Annotated[bytes, Reserved(3)], b"\0\1\0", r"needs the default bytes\(3\)"),
        (Annotated[int, U8("a")], attrs.Factory(lambda self: 1, takes_self=True), "has a default that takes self"),
        (Annotated[int, U8("a")], attrs.field(default=1, init=False), "only a Reserved field may have init=False"),
    ],
)
def test_layout_refuses_a_bad_default(hint: Any, default: Any, message: str) -> None:
    """Reserved fields default to zeros, and every default can be given without an object."""
    with pytest.raises(TypeError, match=f"Bad.x: .*{message}"):
        define(hint, default)


@pytest.mark.parametrize("tail", [Blob("a"), Cbor("a")])
def test_layout_refuses_a_tail_that_is_not_last(tail: Any) -> None:
    """A field behind a tail, be it a second tail, is refused."""
    with pytest.raises(TypeError, match=r"Made\.f0: takes the rest of the body, so no field may follow"):
        make_layout([tail, U8("b")])
    with pytest.raises(TypeError, match=r"Made\.f0: takes the rest of the body, so no field may follow"):
        make_layout([tail, tail])


def test_layout_refuses_a_class_that_is_not_attrs() -> None:
    """The decorators in the wrong order, or one missing, is told."""
    with pytest.raises(TypeError, match="Local is not an attrs class: @layout stands above"):
        layout(source="a test")(Local)
    with pytest.raises(TypeError, match="Inner is not an attrs class"):
        layout(source="a test")(type("Inner", (TrapInfo,), {}))


@pytest.mark.parametrize("decorator", [attrs.define, attrs.define(slots=False), attrs.mutable(slots=True)])
def test_layout_refuses_a_class_that_is_not_frozen(decorator: Any) -> None:
    """What crosses a hook is frozen."""
    with pytest.raises(TypeError, match="Loose is not frozen"):
        layout(source="a test")(decorator(type("Loose", (), {"__annotations__": {"x": Annotated[int, U8("a")]}})))


def test_layout_refuses_an_unknown_byte_order() -> None:
    """Little and big are all there are."""
    with pytest.raises(TypeError, match="byte_order is 'middle', which is neither 'little' nor 'big'"):
        make_layout([U8("a")], "middle")


def test_layout_refuses_an_empty_source() -> None:
    """Where a layout's facts come from must be said."""
    with pytest.raises(TypeError, match="source says where the layout's facts come from, and is empty"):
        layout(source="")(TrapInfo)


def test_layout_tells_an_annotation_that_cannot_be_read() -> None:
    """A name that is not known where the class is defined is a TypeError, not a NameError."""
    with pytest.raises(TypeError, match="name 'Unknown' is not defined; annotations are read where"):
        define("Annotated[int, Unknown]")


def test_layout_takes_classes_with_a_dict_and_inherited_fields() -> None:
    """Slots are not needed, and a layout may extend another."""

    @layout(source="a test")
    @attrs.frozen(slots=False)
    class Longer(TrapInfo):
        more: Annotated[int, U32("more")]

    assert size_of(Longer) == size_of(TrapInfo) + 4


def test_layout_wants_the_type_that_decoding_gives() -> None:
    """A subclass of int will not do: decoding makes plain ints."""
    with pytest.raises(TypeError, match="is annotated as <class 'bool'>, but U8 gives <class 'int'>"):
        define(Annotated[bool, U8("a")])
