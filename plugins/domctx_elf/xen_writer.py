"""Writes any domain with memory and x86 vCPUs as a core of Xen's own format (formats/xen.md 7).

Page tables of a paravirtualised guest hold PFNs, as in every saved state; so the P2M that is written is the identity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from domctx.api import Domain, FormatContext, Sink
from domctx.schema import encode, size_of
from domctx.states import SHARED_INFO
from domctx_cpu.xen_layout import VcpuGuestContext32
from domctx_elf import xen_layout as xl
from domctx_elf.layout import (
    EM_386,
    EM_X86_64,
    SHT_NOTE,
    SHT_NULL,
    SHT_PROGBITS,
    SHT_STRTAB,
    Header64,
    Section64,
)
from domctx_elf.notes import named, note, parse
from domctx_elf.segments import Load, left_out, loads
from domctx_elf.writer import kept_notes, put, settled, tell
from domctx_elf.xen_contexts import contexts_of
from domctx_elf.xen_domain import XEN_NOTES
from domctx_elf.xen_layout import XenHeader, XenVersion

PAGE: Final = 4096
STEP: Final = 1 << 18
"""Entries of the P2M that are made at a time."""
IDENT: Final = bytes((0, 1)).ljust(9, b"\0")
"""OS ABI 0, its version 1, as Xen's tools write them."""


class Part(NamedTuple):
    """A section: ``size`` octets, of which the first stands at a multiple of ``align``."""

    name: str
    type: int
    size: int
    align: int = 0
    entry: int = 0


def write(source: Domain, sink: Sink, context: FormatContext) -> None:
    """Sections with vCPUs, shared info, pages and their PFNs. Raises DomainError where there is no memory or vCPU."""
    memory = settled(source, context)
    found = loads(memory, source.machine)
    paravirtual, contexts = contexts_of(source)
    pages = sum(load.length for load in found) // PAGE
    pieces = [_notes(source, paravirtual, len(contexts), pages), b"".join(contexts), _shared_info(source)]
    table, width = (xl.P2M, 16) if paravirtual else (xl.PFN, 8)
    parts = [
        Part(xl.NOTES, SHT_NOTE, len(pieces[0])),
        Part(xl.PRSTATUS, SHT_PROGBITS, len(pieces[1]), 8, len(contexts[0])),
        *([Part(xl.SHARED_INFO, SHT_PROGBITS, PAGE, 8, PAGE)] if pieces[2] else []),
        Part(xl.PAGES, SHT_PROGBITS, pages * PAGE, PAGE, PAGE),
        Part(table, SHT_PROGBITS, pages * width, 8, width),
    ]
    names = b"".join(b"\0" + name.encode() for name in ("", xl.NAMES, *(part.name for part in parts)))[1:] + b"\0"
    machine = EM_386 if len(contexts[0]) == size_of(VcpuGuestContext32) else EM_X86_64
    tell(left_out(memory, found), context)
    octets = b"".join([head(parts, names, machine), *pieces])
    sink.write(octets.ljust(-(-len(octets) // PAGE) * PAGE, b"\0"))
    put(memory, found, sink, context)
    for rows in entries(found, width):
        sink.write(rows)
    sink.write(names)


def head(parts: Sequence[Part], names: bytes, machine: int) -> bytes:
    """The file header and the section headers; the sections follow in order, their names at the end."""
    place = size_of(Header64) + (len(parts) + 2) * size_of(Section64)
    rows = []
    for part in parts:
        place = -(-place // PAGE) * PAGE if part.align == PAGE else place
        offset = names.index(b"\0" + part.name.encode() + b"\0") + 1
        rows.append(
            Section64(
                name=offset,
                type=part.type,
                offset=place,
                size=part.size,
                addralign=part.align,
                entsize=part.entry,
            )
        )
        place += part.size
    header = Header64(
        padding=IDENT, machine=machine, phoff=0, phnum=0, shoff=size_of(Header64), shnum=len(rows) + 2, shstrndx=1
    )
    own = Section64(name=1, type=SHT_STRTAB, offset=place, size=len(names))
    return b"".join(map(encode, [header, Section64(type=SHT_NULL), own, *rows]))


def _notes(source: Domain, paravirtual: bool, vcpus: int, pages: int) -> bytes:
    """The notes; which Xen it was is told where the domain came from a Xen core."""
    versions = [each.octets for each in named(parse(kept_notes(source, XEN_NOTES)), xl.OWNER, xl.NT_VERSION)]
    magic = xl.MAGIC_PV if paravirtual else xl.MAGIC_HVM
    return b"".join(
        [
            _note(xl.NT_NONE, b""),
            _note(xl.NT_HEADER, encode(XenHeader(magic=magic, nr_vcpus=vcpus, nr_pages=pages))),
            _note(xl.NT_VERSION, versions[0] if versions else encode(XenVersion())),
            _note(xl.NT_FORMAT, xl.FORMAT.to_bytes(8, "little")),
        ]
    )


def _note(type: int, octets: bytes) -> bytes:
    return note(xl.OWNER, type, octets)


def _shared_info(source: Domain) -> bytes:
    state = source.state(SHARED_INFO)
    page = state.context if state is not None else None
    return page.page if page is not None else b""


def entries(found: Sequence[Load], width: int) -> Iterator[bytes]:
    """A PFN for each page, twice where ``width`` is 16: as its frame, too."""
    for load in found:
        first, last = load.address // PAGE, (load.address + load.length) // PAGE
        for start in range(first, last, STEP):
            pfns = np.arange(start, min(start + STEP, last), dtype="<u8")
            yield np.repeat(pfns, width // 8).tobytes()
