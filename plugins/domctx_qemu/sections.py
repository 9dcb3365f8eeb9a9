"""Device sections: between the state and the record's body."""

from __future__ import annotations

from domctx.errors import RecordError
from domctx.schema import decode, encode
from domctx.states import DeviceSection
from domctx_qemu.layout import Description, DeviceBody


def body_of(section: DeviceSection) -> DeviceBody:
    """The record's body of a section. Raises RecordError for a description that is not plain values."""
    description = described(section)
    return DeviceBody(
        name=section.name,
        instance=section.instance,
        version=section.version,
        size=len(section.octets),
        description_size=len(description),
        tail=section.octets + description,
    )


def described(section: DeviceSection) -> bytes:
    """The description as it stands in a body: canonical CBOR, or no octets where there is none."""
    return b"" if section.description is None else encode(Description(section.description))


def section_of(body: DeviceBody) -> DeviceSection:
    """The section in a record's body.

    Raises RecordError where state and description are not as long as the body says, or the description is not
    canonical CBOR or is null.
    """
    size = body.size + body.description_size
    if size != len(body.tail):
        expected = f"0x{size:016x} octets"
        raise RecordError(
            "state and description are not as long as they say", expected=expected, got=f"0x{len(body.tail):016x}"
        )
    octets, rest = body.tail[: body.size], body.tail[body.size :]
    description = decode(Description, rest).value if rest else None
    if rest and description is None:
        raise RecordError("a description that is null is written as none", expected="no octets", got=rest.hex(" "))
    return DeviceSection(body.name, body.instance, body.version, octets, description)
