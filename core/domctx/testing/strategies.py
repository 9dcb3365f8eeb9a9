"""Hypothesis strategies: objects of layout classes, and the plain values of CBOR tails."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from hypothesis import strategies as st

from domctx.schema import Array, Blob, Bytes, Cbor, Integer, Nested, Reserved, Text
from domctx.schema.plan import layout_of

T = TypeVar("T")

_WHOLE: Final = 64
"""Up to so many octets, or elements of an array, each is drawn by itself; longer fields repeat a shorter draw."""


def bodies(cls: type[T]) -> st.SearchStrategy[T]:
    """Objects of a layout class, every field within its range; reserved fields keep their zeros."""
    slots = [slot for slot in layout_of(cls).slots if not isinstance(slot.marker, Reserved)]
    return st.builds(cls, **{slot.attribute.alias or slot.name: values(slot.marker) for slot in slots})


def values(marker: Any) -> st.SearchStrategy[Any]:
    """The values of a field with this marker."""
    match marker:
        case Integer():
            return _integers(marker)
        case Bytes():
            return _repeated(st.binary(min_size=1, max_size=min(marker.count, _WHOLE)), marker.count)
        case Text():
            return _latin_1(min(marker.count, _WHOLE))
        case Array():
            elements = st.lists(values(marker.element), min_size=1, max_size=min(marker.count, _WHOLE))
            return _repeated(elements.map(tuple), marker.count)
        case Nested():
            return bodies(marker.layout)
        case Cbor():
            return plain_values()
        case Blob():
            return st.binary(max_size=4 * _WHOLE)
    raise TypeError(f"{marker!r} is no marker of a field with values of its own")


def _integers(marker: Integer) -> st.SearchStrategy[int]:
    numbers = st.integers(marker.low, marker.high)
    named = sorted(value for value in marker.names if marker.low <= value <= marker.high)
    return st.sampled_from(named) | numbers if named else numbers


def _latin_1(most: int) -> st.SearchStrategy[str]:
    """Text that does not end with a NUL: those only pad."""
    return st.text(st.characters(max_codepoint=0xFF), max_size=most).map(lambda text: text.rstrip("\0"))


def _repeated(short: st.SearchStrategy[Any], count: int) -> st.SearchStrategy[Any]:
    return short.map(lambda drawn: (drawn * (count // len(drawn) + 1))[:count])


def plain_values() -> st.SearchStrategy[Any]:
    """What a Cbor field may hold: plain types, some levels deep; no NaN, which equals nothing."""
    numbers = st.integers(-(1 << 64), (1 << 64) - 1)
    texts = st.text(max_size=20)
    leaves = st.none() | st.booleans() | numbers | st.floats(allow_nan=False) | texts | st.binary(max_size=20)
    keys = texts | numbers | st.binary(max_size=8)

    def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)

    return st.recursive(leaves, deeper, max_leaves=12)
