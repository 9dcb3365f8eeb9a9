"""MANIFEST: who wrote an image, what a reader must know, which record types stand in it, and the machine's description.

Canonical CBOR, directly after START. What only tells when and by whom an image was made stands in ``producer`` and
``time``; the machine's description holds no state that a record holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from domctx.errors import RecordError, UnsupportedError
from domctx.machine import Machine, Placement, RamBlock
from domctx.values import frozen

FORMAT_VERSION: Final = (1, 0)
"""domctx's own format version (major, minor), checked lexicographically as START's."""

FEATURES: Final = frozenset({"memory-rounds"})
"""The feature names that this reader knows (``requires``)."""

RECORD: Final = "MANIFEST[0]"
LIMIT: Final = 1 << 20
"""Octets of the largest MANIFEST: decoded, every one of them may be an object."""


@frozen
class TypeUse:
    """One record type of an image: enough to name what is missing where nobody can read it."""

    code: int
    name: str
    distribution: str
    """The distribution that can read it, as pip names it."""
    distribution_version: str
    version: int
    readable_since: int
    transforms: tuple[str, ...] = ()
    """Names of the transforms that the bodies went through, in the order in which they were applied."""


@frozen
class Manifest:
    """The decoded MANIFEST."""

    machine: Machine
    types: tuple[TypeUse, ...]
    producer: str
    time: str
    """UTC, ISO 8601."""
    requires: tuple[str, ...] = ()
    format_version: tuple[int, int] = FORMAT_VERSION

    def transforms_of(self, code: int) -> tuple[str, ...]:
        """The transforms that records of a type went through."""
        use = self.use_of(code)
        return use.transforms if use is not None else ()

    def use_of(self, code: int) -> TypeUse | None:
        """The entry of a type code, or None."""
        return next((use for use in self.types if use.code == code), None)


def encode(manifest: Manifest) -> bytes:
    """The body of MANIFEST. Raises RecordError for a description that does not fit."""
    from domctx.schema import cbor
    from domctx.schema.problems import FieldError

    try:
        body = cbor.dumps(attrs.asdict(manifest, value_serializer=_listed))
    except FieldError as error:
        raise error.refusal("MANIFEST").at(record=RECORD) from error
    if len(body) > LIMIT:
        raise RecordError("MANIFEST is too long", record=RECORD, expected=f"at most {LIMIT} octets", got=len(body))
    return body


def _listed(owner: object, field: object, value: Any) -> Any:
    """CBOR has lists and no tuples."""
    return list(value) if isinstance(value, tuple) else value


def decode(body: bytes | bytearray | memoryview, *, allow_newer: bool = False) -> Manifest:
    """Decode and check a MANIFEST body.

    Raises RecordError where it is not what ``encode`` writes, UnsupportedError for a newer format version or a
    feature that is not known.
    """
    from domctx.schema import cbor
    from domctx.schema.problems import FieldError

    try:
        manifest = _manifest(cbor.loads(bytes(body)))
    except FieldError as error:
        raise error.refusal("MANIFEST").at(record=RECORD) from error
    except ValueError as error:
        raise RecordError(f"MANIFEST cannot be decoded: {error}", record=RECORD) from error
    if manifest.format_version > FORMAT_VERSION and not allow_newer:
        raise UnsupportedError(
            "the image has a newer format version",
            record=RECORD,
            expected=f"at most {FORMAT_VERSION[0]}.{FORMAT_VERSION[1]}",
            got=f"{manifest.format_version[0]}.{manifest.format_version[1]}",
            hint="update domctx, or pass --allow-newer to try all the same",
        )
    unknown = sorted(set(manifest.requires) - FEATURES)
    if unknown:
        raise UnsupportedError(
            "the image requires features that this reader does not know",
            record=RECORD,
            got=", ".join(unknown),
            hint="update domctx",
        )
    return manifest


class _Wrong(ValueError):
    """A value that is not what it should be."""

    def __init__(self, value: Any, expected: str) -> None:
        text = repr(value)
        super().__init__(f"{text if len(text) < 60 else text[:60] + '...'} is not {expected}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong(value, "a text")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 64:
        raise _Wrong(value, "a u64")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(item) for item in _items(value))


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _Wrong(value, "a list")
    return value


def _optional(kind: Any, value: Any) -> Any:
    return None if value is None else kind(value)


def _exactly(kind: type[Any], value: Any) -> Mapping[str, Any]:
    """``value`` as the map that ``attrs.asdict`` makes of ``kind``: these keys, no other."""
    names = {field.name for field in attrs.fields(kind)}
    if not isinstance(value, dict) or value.keys() != names:
        raise _Wrong(value, f"a map with the keys of {kind.__name__}")
    return value


def _manifest(value: Any) -> Manifest:
    fields = _exactly(Manifest, value)
    version = tuple(_number(item) for item in _items(fields["format_version"]))
    if len(version) != 2:
        raise _Wrong(version, "major and minor")
    types = tuple(_use(item) for item in _items(fields["types"]))
    if len({use.code for use in types}) != len(types):
        raise ValueError("a type code is listed twice")
    return Manifest(
        machine=_machine(fields["machine"]),
        types=types,
        producer=_text(fields["producer"]),
        time=_text(fields["time"]),
        requires=_texts(fields["requires"]),
        format_version=version,
    )


def _use(value: Any) -> TypeUse:
    fields = _exactly(TypeUse, value)
    return TypeUse(
        code=_number(fields["code"]),
        name=_text(fields["name"]),
        distribution=_text(fields["distribution"]),
        distribution_version=_text(fields["distribution_version"]),
        version=_number(fields["version"]),
        readable_since=_number(fields["readable_since"]),
        transforms=_texts(fields["transforms"]),
    )


def _machine(value: Any) -> Machine:
    fields = _exactly(Machine, value)
    shift = _number(fields["page_shift"])
    if not 10 <= shift <= 30:
        raise ValueError(f"page shift {shift}")
    return Machine(
        name=_text(fields["name"]),
        architecture=_text(fields["architecture"]),
        hypervisor=_text(fields["hypervisor"]),
        byte_order=_text(fields["byte_order"]),
        page_shift=shift,
        blocks=tuple(_block(item) for item in _items(fields["blocks"])),
        vcpus=tuple(_number(item) for item in _items(fields["vcpus"])),
        run_state=_text(fields["run_state"]),
        pv_width=_optional(_number, fields["pv_width"]),
        pv_levels=_optional(_number, fields["pv_levels"]),
        uuid=_optional(_text, fields["uuid"]),
        command_line=_optional(_text, fields["command_line"]),
    )


def _block(value: Any) -> RamBlock:
    fields = _exactly(RamBlock, value)
    size, shift = _number(fields["size"]), _number(fields["page_shift"])
    if not 10 <= shift <= 30 or size >= 1 << 62:
        raise ValueError(f"RAM block of 0x{size:x} octets in pages of 1 << {shift}")
    places = tuple(_placement(item, size) for item in _items(fields["placements"]))
    return RamBlock(_text(fields["name"]), size, shift, places)


def _placement(value: Any, size: int) -> Placement:
    fields = _exactly(Placement, value)
    place = Placement(_number(fields["address"]), _number(fields["offset"]), _number(fields["length"]))
    if place.offset + place.length > size or place.address + place.length > 1 << 64:
        raise ValueError(f"placement {place} outside its block")
    return place
