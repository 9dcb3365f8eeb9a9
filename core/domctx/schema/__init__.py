"""Record bodies and C structs, declared once on an attrs class.

From a class come encoder, decoder, size, numpy dtype, JSON, plain text, comparison, C header and documentation table.
"""

from domctx.schema.codec import decode, encode
from domctx.schema.define import layout
from domctx.schema.fields import Field, dtype, fields, offset_of, size_of
from domctx.schema.json_form import to_json
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
from domctx.schema.versions import upgrade

__all__ = [
    "layout",
    "U8", "U16", "U32", "U64", "S8", "S16", "S32", "S64",
    "Bytes", "Text", "Array", "Nested", "Reserved", "Blob", "Cbor", "Integer", "Marker",
    "encode", "decode", "upgrade", "to_json",
    "Field", "fields", "size_of", "offset_of", "dtype",
]  # fmt: skip
