"""Record bodies and C structs, declared once on an attrs class.

From a class come encoder, decoder, size, numpy dtype, JSON, plain text, comparison, C header and documentation table.
"""

from typing import TYPE_CHECKING, Any

from domctx.schema.codec import decode, dump_cbor, encode, load_cbor
from domctx.schema.define import layout
from domctx.schema.describe import Field, dtype, fields, nested_layouts, offset_of, size_of
from domctx.schema.markers import (
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
    Integer,
    Marker,
    Nested,
    Reserved,
    Text,
)
from domctx.schema.versions import decode_version, upgrade

if TYPE_CHECKING:
    from domctx.schema.compare import differences as differences, octet_differences as octet_differences
    from domctx.schema.json_form import cbor_to_json as cbor_to_json, to_json as to_json
    from domctx.schema.json_parse import from_json as from_json
    from domctx.schema.render_c import c_header as c_header
    from domctx.schema.render_docs import table as table
    from domctx.schema.render_text import show as show

__all__ = [
    "layout",
    "U8", "U16", "U32", "U64", "S8", "S16", "S32", "S64",
    "Bytes", "Text", "Array", "Nested", "Reserved", "Blob", "Cbor", "Integer", "Marker",
    "encode", "decode", "upgrade", "decode_version", "dump_cbor", "load_cbor",
    "Field", "fields", "nested_layouts", "size_of", "offset_of", "dtype",
    "to_json", "from_json", "cbor_to_json", "show", "differences", "octet_differences", "c_header", "table",
]  # fmt: skip

_HOMES = {
    "differences": "compare",
    "octet_differences": "compare",
    "from_json": "json_parse",
    "to_json": "json_form",
    "cbor_to_json": "json_form",
    "c_header": "render_c",
    "table": "render_docs",
    "show": "render_text",
}
"""The modules of the names that are imported on first use."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
