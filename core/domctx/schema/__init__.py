"""Record bodies and C structs, declared once on an attrs class.

From a class come encoder, decoder, size, numpy dtype, JSON, plain text, comparison, C header and documentation table.
Names are imported on first use, so that what needs CBOR alone does not pay for layouts.
"""

TYPE_CHECKING = False  # opening an image comes by here: it shall not pay for the typing module either
if TYPE_CHECKING:
    from typing import Any

    from domctx.schema.cbor import is_plain as is_plain
    from domctx.schema.codec import (
        decode as decode,
        dump_cbor as dump_cbor,
        encode as encode,
        load_cbor as load_cbor,
    )
    from domctx.schema.compare import (
        differences as differences,
        octet_differences as octet_differences,
        plain_differences as plain_differences,
    )
    from domctx.schema.define import layout as layout
    from domctx.schema.describe import (
        Field as Field,
        dtype as dtype,
        fields as fields,
        nested_layouts as nested_layouts,
        offset_of as offset_of,
        size_of as size_of,
    )
    from domctx.schema.json_form import cbor_to_json as cbor_to_json, to_json as to_json
    from domctx.schema.json_parse import from_json as from_json
    from domctx.schema.markers import (
        S8 as S8,
        S16 as S16,
        S32 as S32,
        S64 as S64,
        U8 as U8,
        U16 as U16,
        U32 as U32,
        U64 as U64,
        Array as Array,
        Blob as Blob,
        Bytes as Bytes,
        Cbor as Cbor,
        Integer as Integer,
        Marker as Marker,
        Nested as Nested,
        Reserved as Reserved,
        Text as Text,
    )
    from domctx.schema.render_c import c_header as c_header
    from domctx.schema.render_docs import table as table
    from domctx.schema.render_text import show as show
    from domctx.schema.versions import decode_version as decode_version, upgrade as upgrade

_HOMES = {
    "define": ("layout",),
    "markers": (
        "U8", "U16", "U32", "U64", "S8", "S16", "S32", "S64",
        "Bytes", "Text", "Array", "Nested", "Reserved", "Blob", "Cbor", "Integer", "Marker",
    ),
    "cbor": ("is_plain",),
    "codec": ("encode", "decode", "dump_cbor", "load_cbor"),
    "versions": ("upgrade", "decode_version"),
    "describe": ("Field", "fields", "nested_layouts", "size_of", "offset_of", "dtype"),
    "json_form": ("to_json", "cbor_to_json"),
    "json_parse": ("from_json",),
    "compare": ("differences", "octet_differences", "plain_differences"),
    "render_text": ("show",),
    "render_c": ("c_header",),
    "render_docs": ("table",),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> "Any":
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
