"""Layouts to test with: one that has every marker, some that changed since, and a strategy for random ones."""

from __future__ import annotations

import itertools
from typing import Annotated, Any

import attrs
from hypothesis import strategies as st

from domctx.schema import (
    S8,
    S16,
    S32,
    S64,
    U8,
    U16,
    U32,
    U64,
    Array,
    Blob,
    Bytes,
    Cbor,
    Nested,
    Reserved,
    Text,
    layout,
)


@layout(source="formats/xen.md 1.4")
@attrs.frozen
class TrapInfo:
    """Only integers: the quick road."""

    vector: Annotated[int, U8("vector number")]
    flags: Annotated[int, U8("bits 0-1 DPL, bit 2 clears event-enable", names={0: "none", 3: "ring 3"})]
    cs: Annotated[int, U16("code selector")]
    address: Annotated[int, U32("handler", unit="linear address")]


@layout(source="a test", byte_order="big")
@attrs.frozen
class Point:
    """Big-endian, with a hole."""

    x: Annotated[int, S16("east", unit="pages")]
    hole: Annotated[bytes, Reserved(2)] = attrs.field(default=bytes(2), init=False)
    y: Annotated[int, S32("north", unit="pages")] = -1


@layout(source="a test")
@attrs.frozen
class Everything:
    """Every marker of fixed size, and a CBOR tail."""

    u8: Annotated[int, U8("a")]
    u64: Annotated[int, U64("b", unit="octets")]
    s8: Annotated[int, S8("c")]
    s64: Annotated[int, S64("d")]
    fpu: Annotated[bytes, Bytes(40, "e")]
    name: Annotated[str, Text(8, "f")]
    words: Annotated[tuple[int, ...], Array(U16("a word", unit="PFN"), 3, "g")]
    keys: Annotated[tuple[bytes, ...], Array(Bytes(2, "a key"), 2, "h")]
    grid: Annotated[tuple[tuple[int, ...], ...], Array(Array(U8, 2, "a row"), 3, "i")]
    point: Annotated[Point, Nested(Point, "j")]
    traps: Annotated[tuple[TrapInfo, ...], Array(TrapInfo, 4, "k")]
    points: Annotated[tuple[Point, ...], Array(Point, 2, "l")]
    pad: Annotated[bytes, Reserved(3)] = attrs.field(default=bytes(3), kw_only=True)
    config: Annotated[Any, Cbor("m")]


@layout(source="a test")
@attrs.frozen
class Section:
    """A blob, and fields that later versions brought."""

    one: Annotated[int, U16("of version 1")]
    two: Annotated[int, U32("of version 2", since=2)] = 7
    three: Annotated[tuple[int, ...], Array(U8, 2, "of version 3", since=3)] = attrs.Factory(lambda: (8, 9))
    rest: Annotated[bytes, Blob("of version 2 too", since=2)] = b"none"


def everything(**changes: Any) -> Everything:
    """An Everything, with changes."""
    point, trap = Point(-2, 3), TrapInfo(14, 3, 0x819, 0xC010_0000)
    plain = Everything(
        u8=1,
        u64=1 << 40,
        s8=-1,
        s64=-5,
        fpu=bytes(range(40)),
        name="dom\xe9",
        words=(1, 2, 3),
        keys=(b"ab", b"cd"),
        grid=((1, 2), (3, 4), (5, 6)),
        point=point,
        traps=(trap,) * 4,
        points=(point, Point(5)),
        config={"blocks": [1, {"raw": b"xy"}], "two words": None},
    )
    return attrs.evolve(plain, **changes)


def make_layout(markers: list[Any], byte_order: Any = "little", name: str = "Made", **defaults: Any) -> type[Any]:
    """A layout class of fields f0, f1, ... with these markers."""
    names = [f"f{index}" for index in range(len(markers))]
    zeros = {
        field: attrs.field(default=bytes(marker.count), init=False)
        for field, marker in zip(names, markers, strict=True)
        if isinstance(marker, Reserved)
    }
    hints = {field: Annotated[python_type(marker), marker] for field, marker in zip(names, markers, strict=True)}
    body = {"__annotations__": hints, "__module__": __name__, **zeros, **defaults}
    return layout(source="a test", byte_order=byte_order)(attrs.frozen(type(name, (), body)))


def python_type(marker: Any) -> Any:
    """What a field with the marker is annotated as."""
    match marker:
        case Bytes() | Reserved() | Blob():
            return bytes
        case Text():
            return str
        case Array():
            return tuple[python_type(marker.element), ...]  # type: ignore[misc]  # made at run time
        case Nested():
            return marker.layout
        case Cbor():
            return Any
        case _:
            return int


_numbers = itertools.count()
_INTEGERS = (U8, U16, U32, U64, S8, S16, S32, S64)


def _simple() -> st.SearchStrategy[Any]:
    counts = st.integers(1, 9)
    integers = st.sampled_from(_INTEGERS).map(lambda kind: kind("a number"))
    return integers | counts.map(lambda count: Bytes(count, "octets")) | counts.map(lambda count: Text(count, "text"))


def _class(markers: st.SearchStrategy[Any]) -> st.SearchStrategy[type[Any]]:
    holes = st.integers(1, 5).map(Reserved)
    orders = st.sampled_from(["little", "big"])
    lists = st.lists(markers | holes, min_size=1, max_size=5)
    return st.builds(lambda fields, order: make_layout(fields, order, f"Made{next(_numbers)}"), lists, orders)


def _deeper(markers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    arrays = st.builds(Array, markers, st.integers(1, 5), st.just("an array"))
    return arrays | _class(markers).map(lambda cls: Nested(cls, "a struct"))


def layouts() -> st.SearchStrategy[type[Any]]:
    """Random layout classes of fixed size, each with a name of its own."""
    return _class(st.recursive(_simple(), _deeper, max_leaves=6))
