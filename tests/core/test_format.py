"""Images octet by octet as docs/format.md has them: written and read here without anything of domctx."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import cbor2
from blake3 import blake3
from hypothesis import example, given, settings

from domctx.load import load
from domctx.sources import BytesSource
from helpers import toy_vendor, toys
from helpers.toy_images import saved, vendor_registry, vendor_states
from helpers.toy_machines import ToyTarget
from helpers.toy_strategies import TOY_STATES

START = (1, 0, struct.pack("<II", 4, 15))
Record = tuple[int, int, bytes]
"""Type, instance and body."""


def octets_of(record: Record) -> bytes:
    """Header, body and padding."""
    type_, instance, body = record
    return struct.pack("<IIQ", type_, instance, len(body)) + body + bytes(-len(body) % 8)


def grouped(records: Iterable[Record]) -> list[tuple[int, int, int, bytes]]:
    """Type, first instance, number and octets of records that share a digest."""
    groups: list[tuple[int, int, int, bytes]] = []
    for record in records:
        type_, instance, count, before = groups[-1] if groups else (None, 0, 0, b"")
        octets = octets_of(record)
        if type_ == record[0] and len(before) + len(octets) <= 65536:
            groups[-1] = (record[0], instance, count + 1, before + octets)
        else:
            groups.append((record[0], record[1], 1, octets))
    return groups


def directory_of(records: list[Record]) -> Record:
    """DIRECTORY behind these records."""
    groups = grouped(records)
    sizes = [len(octets) for *_, octets in groups]
    digests = [blake3(octets).digest() for *_, octets in groups]
    body = struct.pack("<IIQQ", 1, 1, len(groups), len(records)) + blake3(b"".join(digests)).digest()
    for column in range(3):
        body += b"".join(struct.pack("<I", group[column]) for group in groups)
    body += bytes(4 * len(groups))
    body += b"".join(struct.pack("<Q", sum(sizes[:row])) for row in range(len(groups)))
    body += b"".join(struct.pack("<Q", size) for size in sizes) + b"".join(digests)
    header = struct.pack("<IIQ", 0x8001_FFFF, 0, len(body) + 48)
    body += blake3(header + body).digest() + struct.pack("<Q", sum(sizes)) + b"DCTXDIR\x01"
    return 0x8001_FFFF, 0, body


def image_of(records: list[Record]) -> bytes:
    """The whole image."""
    return b"".join(map(octets_of, [*records, directory_of(records), (0, 0, b"")]))


def manifest_of(image: bytes) -> bytes:
    """The body of MANIFEST, which stands behind the 24 octets of START."""
    type_, instance, length = struct.unpack_from("<IIQ", image, 24)
    assert (type_, instance) == (0x0001_0000, 0)
    return image[40 : 40 + length]


def records_of(held: Any) -> list[Record]:
    """What toys and the vendor's toys write of their states."""
    found: list[Record] = []
    if (dial := held.get(toys.DIAL)) is not None:
        found.append((0x1E000, 0, struct.pack("<IH", dial.body.value, dial.body.scale)))
    if (notes := held.get(toys.NOTES)) is not None:
        found += [(0x1E010, instance, text) for instance, text in enumerate(notes.texts)]
    if (lamps := held.get(toys.LAMPS)) is not None:
        found += [(0x1E020, instance, octets) for instance, octets in lamps.lamps.items()]
    if (bulk := held.get(toys.BULK)) is not None:
        found.append((0x1E030, 0, bytes(bulk.size)))
    if (clock := held.get(toys.CLOCK)) is not None:
        found.append((0x1E040, 0, struct.pack("<Q", clock.ticks)))
    if (mark := held.get(toy_vendor.MARK)) is not None:
        found += [(0x8002_0010, instance, octets) for instance, octets in mark.octets.items()]
    return found


LONG = {toys.NOTES: toys.Notes([bytes([number]) * 16368 for number in range(9)])}
"""Four of these records have 64 KiB."""
LONGER = {toys.NOTES: toys.Notes([bytes([number]) * 16369 for number in range(9)])}
MANY = {toys.LAMPS: toys.Lamps({0xFFFF_FFFF - 65537 * number: b"twelve octet" for number in range(5000)})}


@settings(max_examples=50)
@given(TOY_STATES)
@example(LONG)
@example(LONGER)
@example(MANY)
def test_an_image_is_what_the_page_says(held: Any) -> None:
    """Bit for bit, both ways: what is saved, and what somebody else wrote."""
    registry = vendor_registry()
    image = saved(registry, held)
    records = [START, (0x0001_0000, 0, manifest_of(image)), *records_of(held)]
    assert image == image_of(records)
    target = ToyTarget()
    load(BytesSource(image_of(records)), target, registry)
    assert target.events[-1] == "commit"
    assert {key: target.states.get(key, type(state)()) for key, state in held.items()} == held


def test_a_manifest_is_what_the_page_says() -> None:
    """Canonical CBOR of these keys and no other."""
    body = manifest_of(saved(vendor_registry(), vendor_states()))
    found = cbor2.loads(body)
    assert cbor2.dumps(found, canonical=True) == body
    assert found.keys() == {"format_version", "requires", "producer", "time", "types", "machine"}
    assert (found["format_version"], found["requires"]) == ([1, 0], [])
    assert [use["code"] for use in found["types"]] == [0x1E000, 0x1E010, 0x1E020, 0x1E030, 0x1E040, 0x20010]
    assert found["types"][0] == {
        "code": 0x1E000,
        "name": "DIAL",
        "distribution": "domctx",
        "distribution_version": "1.5",
        "version": 3,
        "readable_since": 1,
        "transforms": [],
    }
    assert found["machine"] == {
        "name": "toy",
        "architecture": "i386",
        "hypervisor": "",
        "byte_order": "little",
        "page_shift": 12,
        "blocks": [{"name": "ram", "size": 1 << 16, "page_shift": 12, "placements": []}],
        "vcpus": [0],
        "run_state": "running",
        "pv_width": None,
        "pv_levels": None,
        "uuid": None,
        "command_line": None,
    }
