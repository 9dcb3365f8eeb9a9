"""The DEVICE record: one device section, raw, with its description; the instance is its position in the stream."""

from __future__ import annotations

from collections.abc import Iterator

from domctx.api import JSON, Context, Difference, Machine, Record, RecordRun, RecordWriter
from domctx.schema import cbor_to_json, size_of
from domctx.states import Devices
from domctx.wire import record_size
from domctx_qemu.layout import DeviceBody
from domctx_qemu.sections import body_of, described, section_of
from domctx_qemu.stored import StoredDevices

HEAD_OCTETS = 64
"""How much of a section ``show`` prints."""


def save(state: Devices, writer: RecordWriter, context: Context) -> None:
    """One record for each section, in order. Raises RecordError for a name or description that no body can hold."""
    for position, section in enumerate(state.sections):
        writer.write_object(body_of(section), instance=position)


def load(state: Devices, run: RecordRun, context: Context) -> None:
    """Each record into the state, in order. Raises RecordError as ``sections.section_of``."""
    for record in run:
        state.store(section_of(record.decode()))


def exact_size(state: Devices, context: Context) -> int:
    """Octets that all records take."""
    fixed = size_of(DeviceBody)
    return sum(record_size(fixed + len(section.octets) + len(described(section))) for section in state.sections)


def show(record: Record, context: Context) -> JSON:
    """Name, instance, version, size and SHA-256 of the state, its first octets, its fields, and the description."""
    import hashlib

    from domctx_qemu.fields import decode
    from domctx_qemu.known import description_of

    section = section_of(record.decode())
    return {
        "name": section.name,
        "instance": section.instance,
        "version": section.version,
        "size": len(section.octets),
        "sha256": hashlib.sha256(section.octets).hexdigest(),
        "head": section.octets[:HEAD_OCTETS].hex(),
        "fields": decode(description_of(section), section.octets),
        "description": cbor_to_json(section.description),
    }


def diff(a: Devices, b: Devices, context: Context) -> Iterator[Difference]:
    """By section and field, as ``compare.compare``."""
    from domctx_qemu.compare import compare

    return compare(a.sections, b.sections)


def new_state(machine: Machine) -> StoredDevices:
    """An empty state."""
    return StoredDevices()
