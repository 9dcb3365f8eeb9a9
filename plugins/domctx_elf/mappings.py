"""What vCPUs map: linear addresses of all of memory, for a core whose p_vaddr a debugger follows.

QEMU calls this paging, and leaves out what no vCPU maps; so do we.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domctx.errors import DomainError
from domctx_elf.headers import Placed
from domctx_x86.vcpu import Registers
from domctx_x86.walk import LARGE, PRESENT, Mode, Read, is_long, mode_of

MAX_TABLES: Final = 1 << 14
"""Page tables of one level, and MAX_MAPPINGS pages, of one vCPU: what maps more is refused."""
MAX_MAPPINGS: Final = 1 << 22
STEP: Final = 1024
"""Tables that are looked at at a time."""
PAGE: Final = 4096
FRAME: Final = 0x000F_FFFF_FFFF_F000

Numbers = NDArray[np.uint64]


class Mapping(NamedTuple):
    """``length`` octets at a linear address, and where they lead."""

    virtual: int
    physical: int
    length: int


def placed(vcpus: Iterable[Registers], read: Read, loads: Sequence[Placed]) -> list[Placed]:
    """The parts of ``loads`` that are mapped, by linear addresses; ``loads`` themselves where no vCPU uses paging.

    Raises DomainError for page tables beyond the limits.
    """
    paged = [(registers, mode) for registers in vcpus if (mode := mode_of(registers)) is not None]
    if not paged:
        return list(loads)
    found = (mapping for registers, mode in paged for mapping in mappings(registers, mode, read))
    return [part for mapping in dict.fromkeys(found) for part in _inside(mapping, loads)]


def mappings(registers: Registers, mode: Mode, read: Read) -> list[Mapping]:
    """All that a vCPU maps, ascending; what stays together both ways comes as one."""
    tables = np.array([registers.control.get("cr3", 0) & mode.root], np.uint64)
    bases = np.zeros(1, np.uint64)
    found: list[tuple[Numbers, Numbers, int]] = []
    count = 0
    for shift in mode.shifts:
        rows = [
            _below(tables[at : at + STEP], bases[at : at + STEP], shift, mode, read)
            for at in range(0, len(tables), STEP)
        ]
        for virtual, physical, _, _ in rows:
            found.append((virtual, physical, 1 << shift))
            count += len(virtual)
        bases, tables = (_joined([row[column] for row in rows]) for column in (2, 3))
        if len(tables) > MAX_TABLES or count > MAX_MAPPINGS:
            limit = f"at most 0x{MAX_TABLES:x} tables of a level, and 0x{MAX_MAPPINGS:x} pages"
            raise DomainError(
                "a vCPU maps too much for a core by linear addresses", expected=limit, hint="leave out -O paging=yes"
            )
    return list(_merged(found, mode, long=is_long(registers)))


def _joined(parts: Sequence[Numbers]) -> Numbers:
    return np.concatenate([np.empty(0, np.uint64), *parts])


def _below(
    tables: Numbers, bases: Numbers, shift: int, mode: Mode, read: Read
) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Of some tables: linear and physical addresses of pages that they map, and of the tables below them."""
    entries = (
        np.stack([_table(int(table), shift, mode, read) for table in tables])
        if len(tables)
        else np.zeros((0, 1), np.uint64)
    )
    present = (entries & np.uint64(PRESENT)) != 0
    leaf = present & ((entries & np.uint64(LARGE)) != 0 if shift in mode.large else np.bool_(shift == 12))
    virtual = bases[:, np.newaxis] + (np.arange(entries.shape[1], dtype=np.uint64) << np.uint64(shift))
    physical = entries & np.uint64(FRAME & -(1 << shift))
    if mode.width == 4 and shift == 22:
        physical = entries & np.uint64(0xFFC0_0000) | (entries >> np.uint64(13) & np.uint64(0xFF)) << np.uint64(32)
    inner = present & ~leaf
    return virtual[leaf], physical[leaf], virtual[inner], entries[inner] & np.uint64(FRAME)


def _table(address: int, shift: int, mode: Mode, read: Read) -> Numbers:
    count = 4 if mode.width == 8 and shift == 30 and shift == mode.shifts[0] else PAGE // mode.width
    try:
        octets = read(address, count * mode.width)
    except DomainError:  # a table that is no RAM maps nothing
        octets = bytes(count * mode.width)
    return np.frombuffer(octets, f"<u{mode.width}").astype(np.uint64)


def _merged(found: Sequence[tuple[Numbers, Numbers, int]], mode: Mode, *, long: bool) -> Iterator[Mapping]:
    virtual, physical = _joined([part[0] for part in found]), _joined([part[1] for part in found])
    sizes = np.repeat(np.array([part[2] for part in found], np.uint64), [len(part[0]) for part in found])
    if long:
        top = mode.shifts[0] + 9
        virtual |= np.where(virtual >> np.uint64(top - 1) != 0, np.uint64((1 << 64) - (1 << top)), np.uint64(0))
    order = np.argsort(virtual)
    virtual, physical, sizes = virtual[order], physical[order], sizes[order]
    apart = (virtual[1:] != virtual[:-1] + sizes[:-1]) | (physical[1:] != physical[:-1] + sizes[:-1])
    starts = np.concatenate([np.zeros(min(len(virtual), 1), np.intp), np.flatnonzero(apart) + 1])
    lengths = np.add.reduceat(sizes, starts) if len(starts) else sizes
    columns: Any = (virtual[starts].tolist(), physical[starts].tolist(), lengths.tolist())
    yield from (Mapping(*row) for row in zip(*columns, strict=True))


def _inside(mapping: Mapping, loads: Sequence[Placed]) -> Iterator[Placed]:
    """The parts of a mapping that are RAM."""
    end = mapping.physical + mapping.length
    for load in loads:
        low, high = max(mapping.physical, load.physical), min(end, load.physical + load.length)
        if low < high:
            yield Placed(mapping.virtual + low - mapping.physical, low, load.place + low - load.physical, high - low)
