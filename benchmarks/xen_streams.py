"""A libxc stream, version 3, of a fully virtualised guest with a given memory (formats/xen.md 3.1, 4.1 to 4.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

import numpy as np

from domctx.api import Buffer

PAGE: Final = 4096
BATCH: Final = 1024
MARKER: Final = b"\xff" * 8 + b"XENF" + struct.pack(">IHHI", 3, 0, 0, 0)
HVM: Final = struct.pack("<IHHII", 2, 12, 0, 4, 17)
PAGE_DATA, HVM_CONTEXT, HVM_PARAMS, STATIC_DATA_END, END = 0x01, 0x09, 0x0A, 0x10, 0x00
CONTEXT: Final = struct.pack("<HHIIIQII", 1, 0, 24, 0x54381286, 1, 0, 0, 0) + struct.pack("<HHI", 0, 0, 0)
"""HEADER and END, and no vCPU."""
PARAMS: Final = struct.pack("<II", 1, 0) + struct.pack("<QQ", 1, 0xFEFFC)


def write_libxc(ram: Path, goal: Path) -> None:
    """Write the stream of a guest with that memory."""
    with ram.open("rb") as source:
        write_pages(iter(lambda: source.read(BATCH * PAGE), b""), goal)


def write_pages(pages: Iterable[Buffer], goal: Path) -> None:
    """Write the stream of a guest with these pages, given up to ``BATCH`` at a time.

    Pages that are zeros stand in it as pages, as Xen's saver writes them.
    """
    with goal.open("wb") as file:
        file.write(MARKER + HVM)
        _record(file, STATIC_DATA_END)
        for part in _batches(pages):
            file.write(part)
        _record(file, HVM_CONTEXT, CONTEXT)
        _record(file, HVM_PARAMS, PARAMS)
        _record(file, END)


def _record(file: IO[bytes], kind: int, body: bytes = b"") -> None:
    file.write(struct.pack("<II", kind, len(body)) + body + bytes(-len(body) % 8))


def _batches(pages: Iterable[Buffer]) -> Iterator[Buffer]:
    first = 0
    for octets in pages:
        count = memoryview(octets).nbytes // PAGE
        pfns = np.arange(first, first + count, dtype="<u8").tobytes()
        yield struct.pack("<IIII", PAGE_DATA, 8 + len(pfns) + count * PAGE, count, 0) + pfns
        yield octets
        first += count
