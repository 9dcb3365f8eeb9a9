"""VMDESCRIPTION: the stream's own description of its device sections, as JSON behind its end (formats/qemu.md 1.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from domctx.errors import StreamError
from domctx.schema import is_plain
from domctx.values import frozen
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.layout import MAX_SECTION, MAX_VMDESC, PAGE_SIZE, Element

WHAT: Final = "the description of the devices"
MARK: Final = bytes((Element.EOF, Element.VMDESCRIPTION))
HEAD: Final = 6
"""Octets before the text: EOF, VMDESCRIPTION, u32 length."""
TAILS: Final = (256 << 10, 4 << 20, MAX_VMDESC + HEAD)
"""How much of the file's end is looked at, more each time."""
MAX_DEPTH: Final = 64
"""How deep the text may nest."""
TRIES: Final = 2
"""How often as many octets as are looked at are taken for a description that is none: each is parsed."""


@frozen(eq=False)
class VmDescription:
    """``offset`` is where EOF stands, ``text`` what follows the length; ``devices`` in stream order."""

    offset: int
    text: bytes
    devices: Sequence[Mapping[str, Any]]
    page_size: int = PAGE_SIZE

    @property
    def end(self) -> int:
        """The offset behind the text."""
        return self.offset + HEAD + len(self.text)


def find(file: StreamFile) -> VmDescription | None:
    """The description at the end of the file, or before what stands behind the stream; None where there is none."""
    room = file.size - file.start
    for tail in TAILS:
        start = file.size - min(tail, room)
        octets = file.read(start, min(tail, room))
        found = _find(octets, start)
        if found is not None or tail >= room:
            return found
    return None


def _find(octets: bytes, start: int) -> VmDescription | None:
    """The last description in ``octets``, which stand at ``start``; what is none may cost no more than ``TRIES``."""
    left = TRIES * len(octets)
    for place in _places(octets):
        text = octets[place + HEAD : place + HEAD + _length(octets, place)]
        left -= len(text)
        if left < 0:
            return None
        found = _parse(start + place, text)
        if found is not None:
            return found
    return None


def read(file: StreamFile, offset: int) -> VmDescription | None:
    """The description behind an EOF at ``offset``; None where something else, or nothing, stands there.

    Raises CutError for one that is cut, StreamError for one that cannot be read.
    """
    head = file.read(offset, HEAD)
    if not head.startswith(MARK):
        return None
    size = int.from_bytes(file.take(offset + 2, 4, WHAT), "big")
    if size > MAX_VMDESC:
        expected, got = f"at most 0x{MAX_VMDESC:08x}", f"0x{size:08x}"
        raise StreamError(f"{WHAT} is too long", offset=offset + 2, expected=expected, got=got)
    found = _parse(offset, file.take(offset + HEAD, size, WHAT))
    if found is None:
        message = f"{WHAT} is no JSON object with a list of devices, or nests too deep"
        raise StreamError(message, offset=offset + HEAD)
    return found


def _places(octets: bytes) -> Iterator[int]:
    """Where a description may begin, the last first."""
    place = octets.rfind(MARK)
    while place >= 0:
        size = _length(octets, place)
        if octets[place + HEAD : place + HEAD + 1] == b"{" and place + HEAD + size <= len(octets):
            yield place
        place = octets.rfind(MARK, 0, place)


def _length(octets: bytes, place: int) -> int:
    return int.from_bytes(octets[place + 2 : place + HEAD], "big")


def _parse(offset: int, text: bytes) -> VmDescription | None:
    """A description; None where the text is none."""
    if not text.startswith(b"{") or _depth(text) > MAX_DEPTH:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    devices = value.get("devices") if isinstance(value, dict) else None
    if not isinstance(devices, list) or not all(isinstance(device, dict) for device in devices):
        return None
    page_size = value.get("page_size", PAGE_SIZE)
    return VmDescription(offset, text, devices, page_size if type(page_size) is int else 0)


def _depth(text: bytes) -> int:
    """How deep brackets nest, at most, as far as that is not too deep; those in strings count as well."""
    depth = deepest = 0
    for octet in text.translate(None, delete=bytes(set(range(256)) - set(b"{}[]"))):
        depth += 1 if octet in b"{[" else -1
        deepest = max(deepest, depth)
        if deepest > MAX_DEPTH:
            break
    return deepest


def names(device: Mapping[str, Any], name: str, instance: int) -> bool:
    """Whether a device of the description is the section of that name and instance."""
    return device.get("name") == name and device.get("instance_id") == instance


def size_of(device: Mapping[str, Any]) -> int | None:
    """Octets of a section as its description tells them; None where it does not, or none that can be."""
    size = _fields_size(device.get("fields"))
    if size is None:
        return None
    for inner in _list(device.get("subsections")):
        part = size_of(inner) if isinstance(inner, Mapping) else None
        name = inner.get("vmsd_name") if part is not None else None
        if part is None or not isinstance(name, str):
            return None
        size += 6 + len(name) + part
    return size if size <= MAX_SECTION else None


def _fields_size(fields: Any) -> int | None:
    """Octets of fields: each size is that of one element, whatever is nested in it."""
    total = 0
    for field in _list(fields):
        size = field.get("size") if isinstance(field, Mapping) else None
        count = field.get("array_len", 1) if isinstance(field, Mapping) else 1
        if type(size) is not int or type(count) is not int or size < 0 or count < 0:
            return None
        total += size * count
        if total > MAX_SECTION:
            return None
    return total


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def kept(device: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The description as a DEVICE record can hold it; None where it cannot."""
    return device if is_plain(dict(device)) else None
