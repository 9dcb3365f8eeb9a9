"""Layouts as packed C structs, which prove their own sizes and offsets when they are compiled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from domctx.schema.describe import Field, fields, is_big_endian, nested_layouts, size_of
from domctx.schema.markers import Array, Cbor, Integer, Marker, Nested, Text
from domctx.schema.plan import layout_of

_KEYWORDS: Final = re.compile(
    r"auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|inline|int|long|register"
    r"|restrict|return|short|signed|sizeof|static|struct|switch|typedef|union|unsigned|void|volatile|while"
    r"|alignas|alignof|bool|constexpr|false|nullptr|static_assert|thread_local|true|typeof|asm"
    r"|class|delete|friend|namespace|new|operator|private|protected|public|template|this|throw|try|using|virtual"
)
"""Of C, and those of C++ that a header should not use."""

_HEAD: Final = """\
/* Record bodies and the structs in them: packed, without holes. Generated from domctx layouts. */
#ifndef {guard}
#define {guard}

#include <stddef.h>
#include <stdint.h>
"""


def c_header(classes: Iterable[type[Any]], prefix: str = "domctx") -> str:
    """A C header (C11, gcc or clang) of layout classes and of all structs in them.

    A class ``TrapInfo`` becomes ``struct PREFIX_trap_info``; tails become flexible array members. Numbers are in the
    byte order that their comment names where it is big-endian. Raises TypeError where two classes get one name.
    """
    structs: dict[str, type[Any]] = {}
    for cls in nested_layouts(classes):
        name = c_name(cls, prefix)
        if structs.setdefault(name, cls) is not cls:
            raise TypeError(f"{structs[name].__qualname__} and {cls.__qualname__} would both be struct {name}")
    head = _HEAD.format(guard=f"{prefix.upper()}_LAYOUTS_H")
    return "\n".join([head, *(_struct(name, cls, prefix) for name, cls in structs.items()), "#endif", ""])


def c_name(cls: type[Any], prefix: str) -> str:
    """``domctx_trap_info`` for ``TrapInfo``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__.lstrip("_"))
    return f"{prefix}_{words.lower()}"


def c_member(name: str) -> str:
    """A field's name in C: C keywords get an underscore behind."""
    return f"{name}_" if _KEYWORDS.fullmatch(name) else name


def _struct(name: str, cls: type[Any], prefix: str) -> str:
    layout = layout_of(cls)
    lines = [f"/* {_comment(layout.source)} */", f"struct {name} {{"]
    lines += [_member(field, layout.byte_order, prefix) for field in fields(cls)]
    lines += ["} __attribute__((packed));", ""]
    lines += _asserts(name, cls)
    return "\n".join([*lines, ""])


def _asserts(name: str, cls: type[Any]) -> Iterator[str]:
    yield f'_Static_assert(sizeof(struct {name}) == {size_of(cls)}, "size of {name}");'
    for field in fields(cls):
        member = c_member(field.name)
        what = f'"offset of {name}.{member}"'
        yield f"_Static_assert(offsetof(struct {name}, {member}) == {field.offset}, {what});"


def _member(field: Field, byte_order: str, prefix: str) -> str:
    kind, extent = _declarator(field.marker, prefix)
    if field.size is None:
        extent = "[]" if field.offset else "[0]"
    remarks = [f"0x{field.offset:04x}: {field.doc}"]
    remarks += [field.unit] if field.unit else []
    remarks += ["big-endian"] if is_big_endian(field.marker, byte_order) else []
    remarks += ["canonical CBOR"] if isinstance(field.marker, Cbor) else []
    remarks += [f"since version {field.since}"] if field.since > 1 else []
    return f"    {kind} {c_member(field.name)}{extent}; /* {_comment('; '.join(remarks))} */"


def _declarator(marker: Marker, prefix: str) -> tuple[str, str]:
    match marker:
        case Integer():
            return f"{'int' if marker.signed else 'uint'}{8 * marker.octets}_t", ""
        case Nested():
            return f"struct {c_name(marker.layout, prefix)}", ""
        case Array():
            kind, extent = _declarator(marker.element, prefix)
            return kind, f"[{marker.count}]{extent}"
        case _:
            return "char" if isinstance(marker, Text) else "uint8_t", f"[{getattr(marker, 'count', '')}]"


def _comment(text: str) -> str:
    return " ".join(text.replace("*/", "* /").replace("/*", "/ *").split())
