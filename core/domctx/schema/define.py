"""The decorator ``layout``: checks a class where it is defined, and compiles it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import attrs

from domctx.schema.compile import ORDERS, compile_plans, versions_of
from domctx.schema.markers import Array, Blob, Bytes, Cbor, Integer, Marker, Nested, Reserved, Text
from domctx.schema.plan import ATTRIBUTE, FACTORY, Layout, Slot, layout_of

C = TypeVar("C", bound=type[Any])


def layout(*, source: str, byte_order: Literal["little", "big"] = "little") -> Callable[[C], C]:
    """Declare an attrs class as the layout of a record body, or of a struct in one.

    Stands above ``@attrs.frozen``; every field is ``Annotated`` with one marker. ``source`` says where the facts come
    from; ``byte_order`` is that of the class's own integers. Structs are packed: a hole is a ``Reserved`` field.
    Raises TypeError for anything that is not such a class.
    """

    def decorate(cls: C) -> C:
        setattr(cls, ATTRIBUTE, _layout(cls, source, byte_order))
        return cls

    return decorate


def _layout(cls: type[Any], source: str, byte_order: str) -> Layout:
    if byte_order not in ORDERS:
        raise TypeError(f"{cls.__name__}: byte_order is {byte_order!r}, which is neither 'little' nor 'big'")
    if not source:
        raise TypeError(f"{cls.__name__}: source says where the layout's facts come from, and is empty")
    _check_frozen(cls)
    slots = tuple(_slots(cls))
    for slot in slots[:-1]:
        if isinstance(slot.marker, Blob | Cbor):
            raise _refused(cls, slot.name, "takes the rest of the body, so no field may follow")
    versions = versions_of(slots)
    return Layout(cls, source, byte_order, slots, versions, compile_plans(cls, slots, versions, byte_order))


def _refused(cls: type[Any], name: str, message: str) -> TypeError:
    return TypeError(f"{cls.__name__}.{name}: {message}")


def _check_frozen(cls: type[Any]) -> None:
    if not attrs.has(cls) or "__attrs_attrs__" not in vars(cls):
        raise TypeError(f"{cls.__name__} is not an attrs class: @layout stands above @attrs.frozen")
    try:
        setattr(cls.__new__(cls), ATTRIBUTE, None)
    except attrs.exceptions.FrozenInstanceError:
        return
    except AttributeError:
        pass
    raise TypeError(f"{cls.__name__} is not frozen: @layout stands above @attrs.frozen")


def _slots(cls: type[Any]) -> Iterator[Slot]:
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise TypeError(f"{cls.__name__}: {error}; annotations are read where the class is defined") from error
    for attribute in attrs.fields(cls):
        marker = _marker(cls, attribute.name, hints.get(attribute.name))
        _check_default(cls, attribute, marker)
        yield Slot(attribute.name, marker, attribute, marker.since)


def _marker(cls: type[Any], name: str, hint: Any) -> Marker:
    python, *extras = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    markers = [extra for extra in extras if isinstance(extra, Marker)]
    if len(markers) != 1:
        raise _refused(cls, name, f"has {len(markers)} markers; expected one, as Annotated[int, U32('...')]")
    marker = markers[0]
    if not marker.doc:
        raise _refused(cls, name, "does not say what it means: the marker's doc is empty")
    expected = _check_marker(cls, name, marker)
    if python != expected and not isinstance(marker, Cbor):
        raise _refused(cls, name, f"is annotated as {python}, but {type(marker).__name__} gives {expected}")
    return marker


def _check_marker(cls: type[Any], name: str, marker: Marker) -> Any:
    """The Python type that a marker gives, once its numbers are known to be good."""
    if type(marker.since) is not int or marker.since < 1:
        raise _refused(cls, name, f"since is {marker.since!r}; expected a record version, 1 or more")
    if isinstance(marker, Bytes | Text | Reserved | Array) and (type(marker.count) is not int or marker.count < 1):
        raise _refused(cls, name, f"has {marker.count!r} elements; expected 1 or more")
    match marker:
        case Integer():
            return int
        case Text():
            return str
        case Array():
            return tuple[_check_element(cls, name, marker.element), ...]  # type: ignore[misc]  # made at run time
        case Nested():
            _check_nested(cls, name, marker.layout)
            return marker.layout
        case _:
            return bytes


def _check_element(cls: type[Any], name: str, element: Any) -> Any:
    if not isinstance(element, Integer | Bytes | Text | Array | Nested):
        raise _refused(cls, name, f"{element!r} cannot be the element of an Array")
    if element.since != 1:
        raise _refused(cls, name, "since belongs to the Array, not to its element")
    return _check_marker(cls, name, element)


def _check_nested(cls: type[Any], name: str, inner: Any) -> None:
    if any(plan.tail for plan in layout_of(inner).plans):
        raise _refused(cls, name, f"{inner.__name__} ends with a tail, and cannot stand in another struct")


def _check_default(cls: type[Any], attribute: attrs.Attribute[Any], marker: Marker) -> None:
    default: Any = attribute.default
    if isinstance(default, FACTORY) and default.takes_self:
        raise _refused(cls, attribute.name, "has a default that takes self, which decoding cannot give")
    if not (attribute.init or isinstance(marker, Reserved)):
        raise _refused(cls, attribute.name, "cannot be given: only a Reserved field may have init=False")
    if isinstance(marker, Reserved) and default != bytes(marker.count):
        raise _refused(cls, attribute.name, f"is reserved, and needs the default bytes({marker.count})")
    if marker.since > 1 and default is attrs.NOTHING:
        raise _refused(cls, attribute.name, f"came with version {marker.since}, and needs a default for older bodies")
