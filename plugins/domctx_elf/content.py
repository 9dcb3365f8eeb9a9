"""What stands in a core: its headers, bounded before they are used (System V ABI)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domctx.errors import StreamError, UnsupportedError
from domctx.files import RandomFile
from domctx.schema import decode, dtype, size_of
from domctx.values import frozen
from domctx_elf.headers import SHAPE32, SHAPE64, Shape
from domctx_elf.layout import (
    CLASS32,
    CLASS64,
    CORE,
    EM_386,
    EM_X86_64,
    LITTLE,
    MAGIC,
    MANY,
    MAX_NOTES,
    MAX_SECTIONS,
    MAX_SEGMENTS,
    PT_LOAD,
    PT_NOTE,
)
from domctx_x86.vcpu import NARROW, WIDE

ARCHITECTURES: Final = {EM_386: NARROW, EM_X86_64: WIDE}
SHAPES: Final = {CLASS32: SHAPE32, CLASS64: SHAPE64}
LIMIT: Final = 1 << 62
"""No file reaches further."""
PHYSICAL: Final = 1 << 52
"""No x86 machine has a guest-physical address beyond it."""
RANGES: Final = {"offset": LIMIT, "filesz": LIMIT, "paddr": PHYSICAL, "memsz": PHYSICAL}


@frozen(eq=False)
class Content:
    """A core's headers: ``segments`` and ``sections`` are arrays of the structs of its class."""

    architecture: str
    shape: Shape
    segments: NDArray[Any]
    sections: NDArray[Any]
    names: int
    """The section of section names."""

    def of_type(self, type: int) -> NDArray[Any]:
        """The segments of a type, in the file's order."""
        found: NDArray[Any] = self.segments[self.segments["type"] == type]
        return found

    @property
    def loads(self) -> NDArray[Any]:
        """The segments that are memory."""
        loads = self.of_type(PT_LOAD)
        found: NDArray[Any] = loads[loads["memsz"] > 0]
        return found


def read_content(file: RandomFile) -> Content:
    """The headers of a core. Raises StreamError for what is cut or out of range, UnsupportedError for no core."""
    octets = file.read(0, size_of(SHAPE64.header))
    if octets[: len(MAGIC)] != MAGIC or len(octets) < size_of(SHAPE32.header):
        raise StreamError(
            "does not begin as an ELF file does", offset=0, expected=MAGIC.hex(" "), got=octets[:4].hex(" ")
        )
    shape = SHAPES.get(octets[4])
    if shape is None or octets[5] != LITTLE:
        got = f"class {octets[4]}, data {octets[5]}"
        raise UnsupportedError(
            "is of a class or byte order that no x86 machine has", expected="class 1 or 2, data 1", got=got
        )
    if len(octets) < size_of(shape.header):
        raise StreamError("ends inside its header", offset=len(octets), expected=f"{size_of(shape.header)} octets")
    header = decode(shape.header, octets[: size_of(shape.header)])
    if header.type != CORE:
        raise UnsupportedError("is no core", expected=f"e_type {CORE}", got=header.type)
    if header.machine not in ARCHITECTURES:
        expected = f"e_machine {EM_386} or {EM_X86_64}"
        raise UnsupportedError("is the core of a machine that is no x86", expected=expected, got=header.machine)
    sections = _sections(file, header, shape)
    count = int(sections[0]["info"]) if header.phnum == MANY and len(sections) else header.phnum
    segments = _table(file, shape.segment, header.phoff, count, header.phentsize, "program header", MAX_SEGMENTS)
    _check_ranges(file, segments)
    return Content(ARCHITECTURES[header.machine], shape, segments, sections, header.shstrndx)


def _sections(file: RandomFile, header: Any, shape: Shape) -> NDArray[Any]:
    count = header.shnum
    if not header.shoff or (count == 0 and header.phnum != MANY):
        return np.zeros(0, dtype(shape.section))
    return _table(file, shape.section, header.shoff, max(count, 1), header.shentsize, "section header", MAX_SECTIONS)


def _table(
    file: RandomFile, layout: type[Any], offset: int, count: int, size: int, what: str, limit: int
) -> NDArray[Any]:
    if count and size != size_of(layout):
        raise StreamError(f"has {what}s of another size", expected=f"{size_of(layout)} octets", got=size)
    if count > limit:
        raise StreamError(f"has too many {what}s", expected=f"at most 0x{limit:x}", got=f"0x{count:x}")
    octets = file.read(min(offset, LIMIT), count * size)
    if len(octets) < count * size:
        expected, got = f"0x{count * size:x} octets", f"0x{len(octets):x}"
        raise StreamError(f"ends inside its {what}s", offset=offset, expected=expected, got=got)
    return np.frombuffer(octets, dtype(layout))


def _check_ranges(file: RandomFile, segments: NDArray[Any]) -> None:
    for field, limit in RANGES.items():
        bad = segments[field] >= limit
        if bad.any():
            index = int(np.argmax(bad))
            expected, got = f"below 1 << {limit.bit_length() - 1}", f"0x{int(segments[field][index]):x}"
            raise StreamError(f"program header {index}: {field} is out of range", expected=expected, got=got)
    used = segments[np.isin(segments["type"], (PT_LOAD, PT_NOTE))]
    ends = used["offset"].astype(np.uint64) + used["filesz"]
    if len(used) and int(ends.max()) > file.size:
        expected, got = f"0x{int(ends.max()):x} octets", f"0x{file.size:x}"
        raise StreamError("ends before its segments do", offset=file.size, expected=expected, got=got)
    loads = used[used["type"] == PT_LOAD]
    if (loads["filesz"] > loads["memsz"]).any():
        raise StreamError("a PT_LOAD has more octets in the file than in memory")


def notes_in(file: RandomFile, content: Content) -> bytes:
    """The octets of all PT_NOTEs. Raises StreamError for more than MAX_NOTES."""
    found = content.of_type(PT_NOTE)
    size = int(found["filesz"].astype(np.uint64).sum())
    if size > MAX_NOTES:
        raise StreamError("has too many notes", expected=f"at most 0x{MAX_NOTES:x} octets", got=f"0x{size:x}")
    return b"".join(file.read(int(each["offset"]), int(each["filesz"])) for each in found)
