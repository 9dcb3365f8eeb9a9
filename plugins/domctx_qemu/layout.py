"""The body of a DEVICE record: one device section, raw, and its description where the source had one."""

from typing import Annotated, Any, Final

from domctx.schema import U32, U64, Blob, Cbor, Reserved, Text, layout
from domctx.values import frozen

MAX_NAME: Final = 255
"""Octets of a section's name: QEMU writes its length as one octet."""


@layout(source="DESIGN.md section 4: DEVICE")
@frozen(kw_only=True)
class DeviceBody:
    """One device section; the record's instance is its position in the source's stream."""

    name: Annotated[str, Text(MAX_NAME, "the section's name, in latin-1: one character for each octet")]
    reserved: Annotated[bytes, Reserved(1)] = bytes(1)
    instance: Annotated[int, U32("which device of that name")]
    version: Annotated[int, U32("the version of the section's own layout")]
    size: Annotated[int, U64("length of the section's state", unit="octets")]
    description_size: Annotated[int, U64("length of the description; 0 for none", unit="octets")]
    tail: Annotated[bytes, Blob("the state as the source had it, then the description (canonical CBOR)")]


@layout(source="DESIGN.md section 4: DEVICE")
@frozen
class Description:
    """The source's own description of a section's fields, as it stands behind the state."""

    value: Annotated[Any, Cbor("a JSON value: QEMU's vmdesc of the device; never null")]
