"""What stands in a Xen core: its sections, checked against each other (formats/xen.md 7)."""

from __future__ import annotations

import itertools
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domctx.errors import StreamError, UnsupportedError
from domctx.files import RandomFile
from domctx.schema import decode, size_of
from domctx.values import frozen
from domctx_cpu.xen_layout import VcpuGuestContext32, VcpuGuestContext64
from domctx_elf import xen_layout as xl
from domctx_elf.content import PHYSICAL, Content
from domctx_elf.layout import MAX_NOTES
from domctx_elf.notes import Note, named, parse
from domctx_elf.xen_layout import XenHeader
from domctx_memory.silence import believed

PAGE: Final = 4096
MAX_VCPUS: Final = 1 << 13
MAX_NAMES: Final = 1 << 16
MAX_NAME: Final = 64
"""Octets of a section's name; whatever has a longer one is none of Xen's."""
SHOWN: Final = 8
"""Names that a message lists at most."""
SPARSE: Final = 16
"""A larger guest may have this many pages for each that the core tells of."""
WIDTHS: Final = {size_of(VcpuGuestContext64): 8, size_of(VcpuGuestContext32): 4}
"""Octets of a guest's word by those of a context."""


@frozen(eq=False)
class XenCore:
    """``contexts`` as the file has them; page ``i`` of those at ``pages`` is PFN ``pfns[i]``, in frame ``mfns[i]``.

    ``mfns`` is None for an HVM guest; ``width`` 8 or 4, 0 where there is no vCPU.
    """

    notes: bytes
    paravirtual: bool
    contexts: tuple[bytes, ...]
    width: int
    shared_info: bytes | None
    pages: int
    pfns: NDArray[np.int64]
    mfns: NDArray[np.int64] | None


def sections_of(file: RandomFile, content: Content) -> dict[str, Any]:
    """The section headers by name; of several with one name the first. Raises StreamError for one past the end."""
    if content.names >= len(content.sections):
        return {}
    head = content.sections[content.names]
    octets = _octets(file, head, xl.NAMES, MAX_NAMES)
    found: dict[str, Any] = {}
    for section in content.sections[1:]:
        start = int(section["name"])
        name = octets[start : max(octets.find(b"\0", start, start + MAX_NAME), start)].decode("latin-1")
        found.setdefault(name, section)
    return found


def _octets(file: RandomFile, section: Any, name: str, limit: int) -> bytes:
    offset, size = int(section["offset"]), int(section["size"])
    if size > limit:
        raise StreamError(f"section {name} is too long", expected=f"at most 0x{limit:x} octets", got=f"0x{size:x}")
    if offset + size > file.size:
        raise StreamError(f"ends before section {name} does", offset=file.size, expected=f"0x{offset + size:x} octets")
    return file.read(offset, size)


def read_core(file: RandomFile, sections: dict[str, Any]) -> XenCore:
    """A Xen core. Raises StreamError for sections that contradict each other, UnsupportedError for another version."""
    notes = _octets(file, _needed(sections, xl.NOTES), xl.NOTES, MAX_NOTES)
    header = _header([each for each in parse(notes) if each.name == xl.OWNER])
    contexts, width = _contexts(file, sections, header)
    shared = sections.get(xl.SHARED_INFO)
    pages = _needed(sections, xl.PAGES)
    _check_pages(file, pages, header)
    pfns, mfns = _frames(file, sections, header)
    return XenCore(
        notes=notes,
        paravirtual=header.magic == xl.MAGIC_PV,
        contexts=contexts,
        width=width,
        shared_info=None if shared is None else _octets(file, shared, xl.SHARED_INFO, PAGE),
        pages=int(pages["offset"]),
        pfns=pfns,
        mfns=mfns,
    )


def _needed(sections: dict[str, Any], name: str) -> Any:
    if name not in sections:
        listed = ", ".join([*itertools.islice(sections, SHOWN), *(["..."] if len(sections) > SHOWN else [])])
        raise StreamError(f"has no section {name}", hint=f"it has: {listed}")
    return sections[name]


def _header(notes: list[Note]) -> XenHeader:
    found = {kind: named(notes, xl.OWNER, kind) for kind in (xl.NT_HEADER, xl.NT_FORMAT)}
    if not found[xl.NT_HEADER] or len(found[xl.NT_HEADER][0].octets) != size_of(XenHeader):
        raise StreamError("has no note HEADER of Xen's")
    version = int.from_bytes(found[xl.NT_FORMAT][0].octets[:8], "little") if found[xl.NT_FORMAT] else xl.FORMAT
    if version != xl.FORMAT:
        raise UnsupportedError(
            "is a Xen core of another version", expected=f"0x{xl.FORMAT:016x}", got=f"0x{version:016x}"
        )
    header: XenHeader = decode(XenHeader, found[xl.NT_HEADER][0].octets)
    if header.magic not in (xl.MAGIC_PV, xl.MAGIC_HVM):
        raise UnsupportedError("is a Xen core of an unknown kind of guest", got=f"0x{header.magic:016x}")
    if header.page_size != PAGE:
        raise UnsupportedError("has pages of another size", expected=PAGE, got=header.page_size)
    return header


def _contexts(file: RandomFile, sections: dict[str, Any], header: XenHeader) -> tuple[tuple[bytes, ...], int]:
    if header.nr_vcpus > MAX_VCPUS:
        raise StreamError("has too many vCPUs", expected=f"at most {MAX_VCPUS}", got=header.nr_vcpus)
    if not header.nr_vcpus:
        return (), 0
    octets = _octets(file, _needed(sections, xl.PRSTATUS), xl.PRSTATUS, MAX_VCPUS * max(WIDTHS))
    size, rest = divmod(len(octets), header.nr_vcpus)
    if rest or size not in WIDTHS:
        expected = " or ".join(f"{known} octets for each vCPU" for known in WIDTHS)
        raise StreamError("has vCPU contexts of an unknown size", expected=expected, got=f"0x{len(octets):x} octets")
    return tuple(octets[place : place + size] for place in range(0, len(octets), size)), WIDTHS[size]


def _check_pages(file: RandomFile, section: Any, header: XenHeader) -> None:
    size = int(section["size"])
    if header.nr_pages > PHYSICAL or size != header.nr_pages * PAGE:
        expected, got = f"0x{header.nr_pages:x} pages", f"0x{size:x} octets"
        raise StreamError(f"section {xl.PAGES} has not the pages that HEADER tells", expected=expected, got=got)
    if int(section["offset"]) + size > file.size:
        raise StreamError(f"ends before section {xl.PAGES} does", offset=file.size)


def _frames(
    file: RandomFile, sections: dict[str, Any], header: XenHeader
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    name, width = (xl.P2M, 16) if header.magic == xl.MAGIC_PV else (xl.PFN, 8)
    section = _needed(sections, name)
    if int(section["size"]) != header.nr_pages * width:
        raise StreamError(
            f"section {name} does not describe every page", expected=f"0x{header.nr_pages * width:x} octets"
        )
    table = np.frombuffer(_octets(file, section, name, file.size), "<u8").reshape(-1, width // 8)
    count = int(np.argmax(table[:, 0] == xl.NO_PAGE)) if (table[:, 0] == xl.NO_PAGE).any() else len(table)
    if count and int(table[:count].max()) >= PHYSICAL // PAGE:
        got = f"0x{int(table[:count].max()):x}"
        raise StreamError(
            f"section {name} names a frame that no machine has", expected=f"below 0x{PHYSICAL // PAGE:x}", got=got
        )
    pfns = table[:count, 0].astype(np.int64)
    if (np.diff(pfns) <= 0).any():
        raise StreamError(
            f"the PFNs of section {name} do not ascend", got=f"0x{int(pfns[np.argmax(np.diff(pfns) <= 0) + 1]):x}"
        )
    pages = int(pfns[-1]) + 1 if count else 0
    if pages > believed(count, SPARSE):
        expected, got = f"at most {SPARSE} for each of the 0x{count:x} that it tells of", f"0x{pages:x}"
        raise UnsupportedError("is silent about nearly all of its pages", expected=expected, got=got)
    return pfns, table[:count, 1].astype(np.int64) if width == 16 else None
