"""Xen cores by hand, told with struct alone (formats/xen.md 7)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

PV, HVM = 0xF00FEBED, 0xF00FEBEE
CONTEXT = {8: 5168, 4: 2800}
CTRLREG = {8: 4984, 4: 2716}


def note(type: int, octets: bytes) -> bytes:
    """A note of Xen's."""
    return struct.pack("<III4s", 4, len(octets), type, b"Xen\0") + octets


def notes(magic: int = PV, vcpus: int = 1, pages: int = 4, size: int = 4096, version: int = 1) -> bytes:
    """The four notes."""
    header = note(0x2000001, struct.pack("<4Q", magic, vcpus, pages, size))
    return note(0x2000000, b"") + header + note(0x2000002, bytes(1280)) + note(0x2000003, struct.pack("<Q", version))


def vcpu(width: int = 8, cr3: int = 0, cr1: int = 0, gdt: Sequence[int] = ()) -> bytes:
    """A context that says where its page tables and its GDT are."""
    octets = bytearray(CONTEXT[width])
    form = "<Q" if width == 8 else "<I"
    struct.pack_into(form, octets, CTRLREG[width] + 3 * width, cr3)
    struct.pack_into(form, octets, CTRLREG[width] + width, cr1)
    place, entries = (4832, 4960) if width == 8 else (2640, 2704)
    for index, frame in enumerate(gdt):
        struct.pack_into(form, octets, place + width * index, frame)
    struct.pack_into(form, octets, entries, 512 * len(gdt))
    return bytes(octets)


def core(sections: Mapping[str, bytes], machine: int = 62, *, names_first: bool = False) -> bytes:
    """A file of these sections; their names stand in the last one, or in the first."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    own = [(".shstrtab", names)]
    rows, data = bytes(64), b""
    count = len(sections) + 2
    place = 64 + 64 * count
    for name, octets in [*own, *sections.items()] if names_first else [*sections.items(), *own]:
        start = names.index(b"\0" + name.encode() + b"\0") + 1
        rows += struct.pack("<IIQQQQIIQQ", start, 1, 0, 0, place + len(data), len(octets), 0, 0, 0, 0)
        data += octets
    fields = (4, machine, 1, 0, 0, 64, 0, 64, 56, 0, 64, count, 1 if names_first else count - 1)
    return struct.pack("<4sBBB9sHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, bytes(9), *fields) + rows + data


def sections(frames: Sequence[tuple[int, int]], pages: bytes, *vcpus: bytes, **changes: bytes) -> dict[str, bytes]:
    """The sections of a paravirtualised guest: (PFN, MFN) of each page; ``changes`` by name."""
    found = {
        ".note.Xen": notes(vcpus=len(vcpus), pages=len(frames)),
        ".xen_prstatus": b"".join(vcpus),
        ".xen_shared_info": b"\x5a" * 4096,
        ".xen_pages": pages,
        ".xen_p2m": b"".join(struct.pack("<QQ", *frame) for frame in frames),
    }
    return found | {("." + name if name != "note" else ".note.Xen"): octets for name, octets in changes.items()}
