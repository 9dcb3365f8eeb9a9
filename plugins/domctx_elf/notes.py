"""A machine's notes: NT_PRSTATUS and QEMU's own for each vCPU, in the order of QEMU's ``dump-guest-memory``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from domctx.errors import StreamError
from domctx.schema import decode, encode, size_of
from domctx_elf.layout import (
    CORE_NAME,
    NT_PRSTATUS,
    PRSTATUS32,
    PRSTATUS64,
    QEMU_GENERAL,
    QEMU_NAME,
    QEMU_SEGMENTS,
    QEMU_TYPE,
    NoteHead,
    Prstatus32,
    Prstatus64,
    QemuCpu,
    QemuSegment,
)
from domctx_x86.vcpu import Registers, Segment
from domctx_x86.walk import is_long

MASK32: Final = 0xFFFF_FFFF
NOTHING: Final = Segment(0, 0, 0, 0)


class Note(NamedTuple):
    """A note; ``name`` without its NUL."""

    name: bytes
    type: int
    octets: bytes


def note(name: bytes, type: int, octets: bytes) -> bytes:
    """A note as it stands in a file."""
    head = encode(NoteHead(len(name) + 1, len(octets), type))
    return head + _padded(name + b"\0") + _padded(octets)


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)


def notes_of(vcpus: Mapping[int, Registers]) -> bytes:
    """The notes of all vCPUs. The first one's mode tells which kind of NT_PRSTATUS all have."""
    long = any(is_long(registers) for registers in list(vcpus.values())[:1])
    prstatus = _prstatus64 if long else _prstatus32
    cores = (note(CORE_NAME, NT_PRSTATUS, prstatus(vcpu, registers)) for vcpu, registers in vcpus.items())
    return b"".join([*cores, *(note(QEMU_NAME, QEMU_TYPE, qemu_cpu(registers)) for registers in vcpus.values())])


def _values(registers: Registers) -> dict[str, int]:
    values = dict(registers.general)
    for name in ("cs", "ss", "ds", "es", "fs", "gs"):
        segment = registers.segments.get(name, NOTHING)
        values |= {name: segment.selector & 0xFFFF, f"{name}_base": segment.base}
    return values


def _prstatus64(vcpu: int, registers: Registers) -> bytes:
    values = _values(registers)
    return encode(Prstatus64(pid=vcpu + 1, registers=tuple(values.get(name, 0) for name in PRSTATUS64)))


def _prstatus32(vcpu: int, registers: Registers) -> bytes:
    values = _values(registers)
    return encode(Prstatus32(pid=vcpu + 1, registers=tuple(values.get(name, 0) & MASK32 for name in PRSTATUS32)))


def qemu_cpu(registers: Registers) -> bytes:
    """QEMU's own note's contents."""
    segments = (registers.segments.get(name, NOTHING) for name in QEMU_SEGMENTS)
    return encode(
        QemuCpu(
            general=tuple(registers.general.get(name, 0) for name in QEMU_GENERAL),
            segments=tuple(QemuSegment(each.selector, each.limit, each.flags, 0, each.base) for each in segments),
            control=tuple(registers.control.get(f"cr{number}", 0) for number in range(5)),
            kernel_gs_base=registers.msrs.get("kernelgsbase", 0),
        )
    )


def parse(octets: bytes) -> Iterator[Note]:
    """The notes of a file. Raises StreamError for one that reaches past their end; ``offset`` counts from the first."""
    place = 0
    while place + size_of(NoteHead) <= len(octets):
        head = decode(NoteHead, octets[place : place + size_of(NoteHead)])
        name = place + size_of(NoteHead)
        start = name + head.name_size + -head.name_size % 4
        end = start + head.size
        if end > len(octets):
            raise StreamError(
                "a note reaches past the notes' end", expected=f"at most 0x{len(octets):x}", got=f"0x{end:x}"
            )
        yield Note(octets[name : name + head.name_size].rstrip(b"\0"), head.type, octets[start:end])
        place = end + -head.size % 4


def named(notes: Iterable[Note], name: bytes, type: int) -> list[Note]:
    """The notes of one name and type."""
    return [each for each in notes if (each.name, each.type) == (name, type)]
