"""Pieces of Xen streams, written from formats/xen.md 4 and 5: headers, records, pages, and what part each octet is."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import attrs

PAGE = 4096

CONTENTS = "contents of pages"
CONTENTS_PV = "contents of pages, of page tables but for the types of the pages that they name"
NUMBERS = "which page each is and of which type, within the domain"
SAVER = "which Xen saved the domain"
P2M_PART = "which pages hold the P2M, and how many pages it tells of, within their ranges"
BASIC = "registers of vCPUs, but for the frames that they name"
EXTENDED, XSAVE, MSRS = "extended contexts of vCPUs", "XSAVE areas of vCPUs", "MSRs of vCPUs"
SHARED, TSC = "shared info", "TSC"
CONTEXT, PARAMS = "HVM context, but for the form of its entries", "HVM parameters"
CPUID, MSR = "CPUID policy, but for its form", "MSR policy, but for its form"
DOMAIN = "domain context, but for its framing"
XENSTORE, EMULATOR = "the emulator's xenstore data, but for their form", "the emulator's context"
CONFIG = "xl's configuration, but for its form"

OPTIONAL = 1 << 31


@attrs.frozen
class Bit:
    """Some octets, and what part they are."""

    octets: bytes
    part: str = ""


Bits = tuple[Bit, ...]


@attrs.frozen
class Made:
    """A stream and its parts, one behind the other."""

    bits: Bits

    @property
    def octets(self) -> bytes:
        """The stream."""
        return b"".join(bit.octets for bit in self.bits)

    def part_at(self, offset: int) -> str:
        """The part that the octet at ``offset`` belongs to."""
        for bit in self.bits:
            if offset < len(bit.octets):
                return bit.part
            offset -= len(bit.octets)
        raise IndexError(offset)

    def write(self, folder: Path, name: str = "stream.xen") -> Path:
        """The stream as a file."""
        goal = folder / name
        goal.write_bytes(self.octets)
        return goal


def made(*parts: Bits | bytes) -> Made:
    """A stream of these parts."""
    return Made(tuple(bit for part in parts for bit in ((Bit(part),) if isinstance(part, bytes) else part)))


def record(type: int, *bits: Bit | bytes, padding: bytes | None = None, length: int | None = None) -> Bits:
    """A record: header, body, padding; the header belongs to the part of the first octets of the body."""
    body = tuple(bit if isinstance(bit, Bit) else Bit(bit) for bit in bits)
    size = sum(len(bit.octets) for bit in body)
    part = next((bit.part for bit in body if bit.part), "")
    header = Bit(struct.pack("<II", type, size if length is None else length), part)
    return (header, *body, Bit(bytes(-size % 8) if padding is None else padding))


def xl_header(config: bytes = b"", *, flags: int | None = None, order: int = 0x01020304, more: bytes = b"") -> Bits:
    """The header of xl with its optional data."""
    mandatory = (2 | bool(config)) if flags is None else flags
    optional = struct.pack("<I", len(config)) + config + more
    head = b"Xen saved domain, xl format\n \0 \r" + struct.pack("<II", order, mandatory)
    unchecked = Bit(struct.pack("<I", 0), CONFIG)
    return (Bit(head), unchecked, Bit(struct.pack("<I", len(optional))), Bit(optional, CONFIG))


UUID = "00112233-4455-6677-8899-aabbccddeeff"


def config(name: str = "toy", available: Sequence[int] = (0,)) -> bytes:
    """A configuration as libxl writes it."""
    value = {"c_info": {"type": "pv", "name": name, "uuid": UUID}, "b_info": {"avail_vcpus": list(available)}}
    return json.dumps(value, indent=4).encode() + b"\0"


def libxl_header(version: int = 2, options: int = 0) -> Bits:
    """The header of a libxl stream; bit 1 of the options tells of a legacy stream, and nobody looks at it."""
    octets = b"LibxlFmt" + struct.pack(">II", version, options)
    return (Bit(octets[:15]), Bit(octets[15:], SAVER))


def headers(guest: int, version: int = 3, options: int = 0, shift: int = 12, reserved: bytes = bytes(6)) -> Bits:
    """Image header and domain header."""
    image = b"\xff" * 8 + b"XENF" + struct.pack(">IH", version, options) + reserved
    return (
        Bit(image, "" if version == 3 else SAVER),
        Bit(struct.pack("<IHH", guest, shift, 0)),
        Bit(struct.pack("<II", 4, 17), SAVER),
    )


def entry(pfn: int, type: int = 0) -> int:
    """The word of a page."""
    return type << 60 | pfn


def page_data(*pages: tuple[int, bytes | None], count: int | None = None, contents: str = CONTENTS) -> Bits:
    """A PAGE_DATA record of (word, octets): octets None where the type carries none."""
    words = b"".join(struct.pack("<Q", word) for word, _ in pages)
    octets = [Bit(page, contents) for _, page in pages if page is not None]
    head = struct.pack("<II", len(pages) if count is None else count, 0)
    body = (Bit(head), Bit(words, NUMBERS), *octets)
    size = sum(len(bit.octets) for bit in body)
    return (Bit(struct.pack("<I", 1), NUMBERS), Bit(struct.pack("<I", size)), *body)


def page(seed: int) -> bytes:
    """A page of its own contents."""
    return struct.pack("<Q", seed * 0x9E3779B97F4A7C15 & (1 << 64) - 1) * (PAGE // 8)


def table(entries: dict[int, int]) -> bytes:
    """A page table."""
    return b"".join(struct.pack("<Q", entries.get(index, 0)) for index in range(512))


def pte(pfn: int, flags: int = 0x067) -> int:
    """An entry."""
    return pfn << 12 | flags
