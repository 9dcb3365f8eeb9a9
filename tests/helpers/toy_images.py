"""Registries of toys, small images of theirs, and how they are changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from domctx.api import Images, RecordType, StateKey
from domctx.directory import WIRE_TYPE, encode
from domctx.groups import GroupDigests
from domctx.hookspecs import hookimpl
from domctx.manager import Manager, Plugin
from domctx.references import IMAGE_FORMAT
from domctx.registry import Registry
from domctx.save import save
from domctx.sinks import BytesSink
from domctx.testing.streams import RawRecord, split
from domctx.wire import HEADER, TYPE_MANIFEST
from helpers import toy_vendor, toys
from helpers.toy_machines import ToyDomain

SMALLEST = bytes.fromhex("01000000 00000000 08000000 00000000 04000000 0f000000 00000000 00000000 00000000 00000000")
"""The worked example of formats/xen.md 2.2: START 4.15, END."""


def registry_of(plugins: Mapping[str, Any]) -> Registry:
    """A registry of real plugin objects by name, ``distribution:entry``."""
    manager = Manager()
    for name, module in sorted(plugins.items()):
        target = getattr(module, "__name__", type(module).__module__)
        manager.plugins.append(Plugin(name, name.partition(":")[0], "1.5", target, module=module))
        manager.relay.register(module, name)
    return Registry.resolve(manager, [IMAGE_FORMAT])


def toy_registry(**more: Any) -> Registry:
    """The toys alone, or with others."""
    registry = registry_of({"domctx:toys": toys, **more})
    assert not registry.manager.broken()
    return registry


def vendor_registry() -> Registry:
    """The toys and the vendor's."""
    return toy_registry(**{"acme:toys": toy_vendor})


def types_plugin(*kinds: RecordType) -> Any:
    """A plugin object with these record types."""

    class Kinds:
        @hookimpl
        def domctx_record_types(self) -> list[RecordType]:
            return list(kinds)

    return Kinds()


def toy(code: int, **changes: Any) -> RecordType:
    """A toy record type, changed."""
    kind = next(kind for kind in toys.record_types() if kind.code == code)
    return attrs.evolve(kind, **changes)


def one_type(kind: RecordType) -> Registry:
    """A registry of one record type of ours."""
    registry = registry_of({"domctx:one": types_plugin(kind)})
    assert not registry.manager.broken(), registry.manager.broken()
    return registry


def states() -> dict[StateKey[Any], Any]:
    """A little of each."""
    return {
        toys.LAMPS: toys.Lamps({7: b"lamp seven..", 0xFFFF_FFFF: b"the last one"}),
        toys.DIAL: toys.Dial(toys.DialBody(42, 5)),
        toys.NOTES: toys.Notes([b"one", b"", b"three and four!!"]),
        toys.BULK: toys.Bulk(9),
        toys.CLOCK: toys.Clock(0x1122),
    }


def vendor_states() -> dict[StateKey[Any], Any]:
    """A little of each, and a mark of the vendor's."""
    return {**states(), toy_vendor.MARK: toy_vendor.Octets({5: b"marked"})}


def saved(registry: Registry, held: Mapping[StateKey[Any], Any], images: Images = Images.DOMCTX) -> bytes:
    """An image of these states."""
    sink = BytesSink()
    save(ToyDomain(held), sink, registry, images=images)
    return bytes(sink.octets)


def vendor_image() -> bytes:
    """A small image with a record of each kind, and an optional one that ``toy_registry`` does not know."""
    return saved(vendor_registry(), vendor_states())


def records_of(image: bytes) -> list[RawRecord]:
    """The records of an image, DIRECTORY and END left out."""
    return [record for record in split(image) if record.type not in (WIRE_TYPE, 0)]


def settled(image: bytes) -> list[RawRecord]:
    """The records of an image but what tells when it was saved."""
    return [record for record in records_of(image) if record.type != TYPE_MANIFEST]


def sealed(records: Iterable[RawRecord]) -> bytes:
    """An image of these records with a DIRECTORY that is right for them, and END."""
    body, digests, offset = b"", GroupDigests(), 0
    for record in records:
        octets = record.octets()
        digests.record(record.type, record.instance, offset, len(octets))
        digests.octets(octets)
        body, offset = body + octets, offset + len(octets)
    groups = digests.finish()
    return body + RawRecord(WIRE_TYPE, 0, encode(groups, digests.records, offset)).octets() + bytes(HEADER.size)


def resealed(image: bytes, index: int, **changes: Any) -> bytes:
    """An image in which one record is another, with right digests."""
    records = records_of(image)
    records[index] = attrs.evolve(records[index], **changes)
    return sealed(records)
