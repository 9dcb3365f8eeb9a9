"""Small migration streams, composed from formats/qemu.md and from nothing of the reader."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PAGE = 4096
FULL, ZERO, MEM_SIZE, DATA, EOS, CONTINUE, XBZRLE, HOOK, PACKED, FLUSH = (1 << bit for bit in range(10))


def u16(value: int) -> bytes:
    """A number of 2 octets."""
    return struct.pack(">H", value)


def u32(value: int) -> bytes:
    """A number of 4 octets."""
    return struct.pack(">I", value)


def u64(value: int) -> bytes:
    """A number of 8 octets."""
    return struct.pack(">Q", value)


def text(value: str | bytes) -> bytes:
    """A string with its length in one octet before it."""
    octets = value.encode("latin-1") if isinstance(value, str) else value
    return bytes((len(octets),)) + octets


def subsection(name: str, body: bytes, version: int = 1) -> bytes:
    """A subsection."""
    return b"\x05" + text(name) + u32(version) + body


def configuration(machine: str = "pc-i440fx-7.2", *parts: bytes) -> bytes:
    """CONFIGURATION with subsections."""
    return b"\x07" + u32(len(machine)) + machine.encode() + b"".join(parts)


def capabilities(*names: str) -> bytes:
    """The subsection that lists capabilities."""
    return subsection("configuration/capabilities", u32(len(names)) + b"".join(text(name) for name in names))


def command(number: int, body: bytes = b"") -> bytes:
    """A command."""
    return b"\x08" + u16(number) + u16(len(body)) + body


def section(
    kind: int,
    identity: int,
    payload: bytes,
    name: str = "",
    instance: int = 0,
    version: int = 1,
    *,
    footer: bool = True,
) -> bytes:
    """A section: START 1 and FULL 4 name themselves, PART 2 and END 3 do not."""
    named = text(name) + u32(instance) + u32(version) if kind in (1, 4) else b""
    return bytes((kind,)) + u32(identity) + named + payload + (b"\x7e" + u32(identity) if footer else b"")


def block_list(blocks: Mapping[str, int], extra: bytes = b"") -> bytes:
    """MEM_SIZE, the blocks with ``extra`` octets behind each; sizes in octets."""
    entries = b"".join(text(name) + u64(size) + extra for name, size in blocks.items())
    return u64(sum(blocks.values()) | MEM_SIZE) + entries


def record(page: int, flags: int, body: bytes, block: str | None = None) -> bytes:
    """A record of one page; without a block's name it is of the block of the record before."""
    return u64(page * PAGE | flags | (CONTINUE if block is None else 0)) + (text(block) if block else b"") + body


def data(page: int, octets: bytes, block: str | None = None) -> bytes:
    """A page with its contents."""
    return record(page, DATA, octets, block)


def fill(page: int, octet: int = 0, block: str | None = None) -> bytes:
    """A page of one octet repeated."""
    return record(page, ZERO, bytes((octet,)), block)


def packed(page: int, octets: bytes, block: str | None = None) -> bytes:
    """A page packed by zlib."""
    body = zlib.compress(octets, 1)
    return record(page, PACKED, u32(len(body)) + body, block)


def delta(page: int, old: bytes, new: bytes, block: str | None = None) -> bytes:
    """A page as XBZRLE tells its difference to an older version."""
    body = xbzrle(old, new)
    return record(page, XBZRLE, b"\x01" + u16(len(body)) + body, block)


def xbzrle(old: bytes, new: bytes) -> bytes:
    """XBZRLE: runs of kept octets and of new ones, by turns."""
    out, place = b"", 0
    while True:
        start = place
        while place < len(new) and new[place] == old[place]:
            place += 1
        if place == len(new):
            return out
        kept, start = place - start, place
        while place < len(new) and new[place] != old[place]:
            place += 1
        out += uleb(kept) + uleb(place - start) + new[start:place]


def uleb(number: int) -> bytes:
    """A number of one or two octets of seven bits, the low ones first."""
    return bytes((number,)) if number < 0x80 else bytes((number & 0x7F | 0x80, number >> 7))


EOF_WORD = u64(EOS)


def ram(blocks: Mapping[str, int], *parts: bytes, footer: bool = True, identity: int = 2) -> bytes:
    """The RAM section whole: START with the list, a PART for each of ``parts``, END."""
    found = section(1, identity, block_list(blocks) + EOF_WORD, "ram", 0, 4, footer=footer)
    for part in parts:
        found += section(2, identity, part + EOF_WORD, footer=footer)
    return found + section(3, identity, EOF_WORD, footer=footer)


def described(name: str, fields: Sequence[Mapping[str, Any]], instance: int = 0, **more: Any) -> dict[str, Any]:
    """A device as the description has it."""
    return {"name": name, "instance_id": instance, "vmsd_name": name, "version": 1, "fields": list(fields), **more}


def field(name: str, size: int, kind: str = "uint32", **more: Any) -> dict[str, Any]:
    """A field as the description has it."""
    return {"name": name, "type": kind, "size": size, **more}


def ending(devices: Sequence[Mapping[str, Any]] | None = None, **more: Any) -> bytes:
    """EOF, and the description of the devices where there is one."""
    if devices is None:
        return b"\x00"
    value = json.dumps({"page_size": PAGE, "devices": list(devices), **more}).encode()
    return b"\x00\x06" + u32(len(value)) + value


def stream(*elements: bytes, version: int = 3) -> bytes:
    """A stream of elements."""
    return b"QEVM" + u32(version) + b"".join(elements)


TIMER = bytes(range(24))
GLOBAL = u32(8) + b"running".ljust(100, b"\0")
DESCRIBED = (
    described("timer", [field("cpu_ticks_offset", 8, "int64"), field("unused", 8), field("cpu_clock_offset", 8)]),
    described("globalstate", [field("size", 4), field("runstate", 100, "buffer")]),
)


def pages(*seeds: int) -> bytes:
    """A page for each seed, no two alike, none of one octet repeated."""
    return b"".join(struct.pack("<512Q", *(seed * 1000 + word for word in range(512))) for seed in seeds)


def plain(*, footer: bool = True, config: bool = True, described_: bool = True) -> bytes:
    """A whole stream of four pages of main RAM and two of a ROM, with two devices."""
    blocks = {"pc.ram": 4 * PAGE, "pc.rom": 2 * PAGE}
    first = data(0, pages(1), "pc.ram") + data(1, pages(2)) + fill(2) + fill(3, 0xFF)
    second = data(0, pages(3), "pc.rom") + fill(1)
    return stream(
        configuration() if config else b"",
        ram(blocks, first, second, footer=footer),
        section(4, 0, TIMER, "timer", footer=footer),
        section(4, 9, GLOBAL, "globalstate", footer=footer),
        ending(DESCRIBED if described_ else None),
    )


def written(folder: Path, octets: bytes, name: str = "stream.mig") -> Path:
    """A file of ``octets``."""
    path = folder / name
    path.write_bytes(octets)
    return path


def modern(*more: bytes, footer: bool = True, config: bytes | None = None, described_: bool = True) -> bytes:
    """``plain`` as QEMU of today writes it: one part with all pages in order, pages of zeros packed and no others.

    ``more`` stands before the section ends: a command, say.
    """
    blocks = {"pc.ram": 4 * PAGE, "pc.rom": 2 * PAGE}
    records = data(0, pages(1), "pc.ram") + data(1, pages(2)) + fill(2) + data(3, b"\xff" * PAGE)
    records += data(0, pages(3), "pc.rom") + fill(1)
    return stream(
        configuration() if config is None else config,
        section(1, 2, block_list(blocks) + EOF_WORD, "ram", 0, 4, footer=footer),
        section(2, 2, records + EOF_WORD, footer=footer),
        *more,
        section(3, 2, EOF_WORD, footer=footer),
        section(4, 0, TIMER, "timer", footer=footer),
        section(4, 9, GLOBAL, "globalstate", footer=footer),
        ending(DESCRIBED if described_ else None),
    )


def mapped(bitmap: int = 0, contents: int = 0x2000, version: int = 1, size: int = PAGE, at: int = 0) -> bytes:
    """A mapped-ram stream of four pages, of which the second and the fourth are there, ``at`` octets into a file."""
    config = configuration("pc-i440fx-10.0", capabilities("mapped-ram"))
    head = stream(config) + section(1, 2, b"", "ram", 0, 4, footer=False)
    head += u64(4 * PAGE | MEM_SIZE) + text("pc.ram") + u64(4 * PAGE)
    start = at + len(head) + 28
    head += u32(version) + u64(size) + u64(bitmap or start) + u64(contents) + bytes((10,)) + bytes(7)
    head = (bytes(at) + head).ljust(0x2000, bytes((0xEE,))) + pages(0, 1, 2, 3)
    return head + EOF_WORD + bytes((0x7E,)) + u32(2) + section(3, 2, EOF_WORD) + ending()
