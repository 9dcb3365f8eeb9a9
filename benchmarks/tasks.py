"""What is measured within one process: ``python -m benchmarks.tasks NAME ...`` prints one JSON object.

``seconds`` is the work alone; what a row compares with runs in a process of the same kind.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

SEED: Final = 7
PAGE: Final = 4096
TOGETHER: Final = 1024
"""Scattered pages that are asked for at once: what one record of memory holds."""


def _domain(path: str) -> Any:
    from domctx.cli.session import Session

    session = Session()
    session.quiet = True
    return session.open(path)


def random_reads(path: str, mib: str) -> dict[str, Any]:
    """Reads so many MiB at random, 4 KiB each, from the opened file; the opening is told apart.

    As ``domctx read --virtual`` does: which pages is known beforehand, and 1,024 of them are asked for at once.
    """
    from domctx.states import MEMORY
    from domctx_memory.scattered import scattered

    started = time.perf_counter()
    memory = _domain(path).state(MEMORY)
    pages = memory.blocks[0].pages
    chosen = np.random.default_rng(SEED).integers(0, pages, int(mib) << 8)
    memory.read(0, 0, 1)
    opened = time.perf_counter()
    for start in range(0, len(chosen), TOGETHER):
        scattered(memory, 0, chosen[start : start + TOGETHER])
    return {"open": opened - started, "seconds": time.perf_counter() - opened}


def one_page(path: str, count: str) -> dict[str, Any]:
    """The median time of reading one random page, in seconds."""
    from domctx.states import MEMORY

    memory = _domain(path).state(MEMORY)
    chosen = np.random.default_rng(SEED).integers(0, memory.blocks[0].pages, int(count)).tolist()
    memory.read(0, 0, 1)
    spent = []
    for page in chosen:
        started = time.perf_counter()
        memory.read(0, page, 1)
        spent.append(time.perf_counter() - started)
    return {"seconds": statistics.median(spent)}


def _tables(width: int, count: int) -> tuple[Any, Any]:
    """L1 tables with 80 % of the entries present, and the frames of a domain of 1 M pages that they point to."""
    generator = np.random.default_rng(SEED)
    pfns = 1 << 20
    p2m = generator.permutation(1 << 20)[:pfns].astype(np.uint32)
    kind = np.dtype(f"<u{width}")
    entries = generator.choice(p2m, (count, PAGE // width)).astype(kind) << kind.type(12)
    entries |= np.where(generator.random(entries.shape) < 0.8, 0x67, 0).astype(kind)
    return entries, p2m


def canonicalise(width: str, count: str) -> dict[str, Any]:
    """Machine frames to guest frames and back over many tables, by domctx_page_tables, 256 tables at a time."""
    from domctx_page_tables.canonical import canonicalise as forth, localise as back
    from domctx_page_tables.frame_map import FrameMap
    from domctx_x86 import paging_of

    paging = paging_of(int(width), 2 if width == "4" else 4)
    assert paging is not None
    entries, p2m = _tables(int(width), int(count))
    frame_map = FrameMap(p2m, paging=paging)
    types, all_types = np.full(256, 1, np.uint8), np.zeros(len(p2m), np.uint8)
    started = time.process_time()
    for start in range(0, len(entries), 256):
        rows = entries[start : start + 256]
        pfns = np.arange(start, start + len(rows), dtype=np.uint32)
        canonical = forth(rows, types[: len(rows)], pfns, frame_map, paging=paging)
        local = back(canonical, types[: len(rows)], pfns, all_types, p2m, paging=paging)
        assert start or np.array_equal(local, rows)
    return {"seconds": time.process_time() - started, "entries": 2 * entries.size}


def canonicalise_plainly(width: str, count: str) -> dict[str, Any]:
    """The same by a plain loop, as the first savers of Xen did it."""
    entries, p2m = _tables(int(width), int(count))
    pfn_to_mfn = p2m.tolist()
    mfn_to_pfn = np.argsort(p2m).tolist()
    started = time.process_time()
    for row in entries:
        for frames in (mfn_to_pfn, pfn_to_mfn):
            words = row.tolist()
            for index, word in enumerate(words):
                if word & 1:
                    words[index] = frames[word >> 12] << 12 | word & 0xFFF
            row[:] = words
    return {"seconds": time.process_time() - started, "entries": 2 * entries.size}


def records(count: str) -> dict[str, Any]:
    """So many records of 16 octets written through the plugin layer, in batches, and read again."""
    from benchmarks.many_records import write_and_read

    started = time.perf_counter()
    write_and_read(int(count))
    return {"seconds": time.perf_counter() - started}


def records_plainly(count: str) -> dict[str, Any]:
    """The same records by ``struct`` in a bare loop."""
    import struct

    header, body = struct.Struct("<IIQ"), struct.Struct("<QQ")
    started = time.perf_counter()
    written = bytearray()
    for number in range(int(count)):
        written += header.pack(0x7FFF_0000, number, 16) + body.pack(number, number)
    total = 0
    for place in range(0, len(written), 32):
        _, _, length = header.unpack_from(written, place)
        first, _ = body.unpack_from(written, place + 16)
        total += first + length
    return {"seconds": time.perf_counter() - started, "total": total}


TASKS: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    "random-reads": random_reads,
    "one-page": one_page,
    "canonicalise": canonicalise,
    "canonicalise-plainly": canonicalise_plainly,
    "records": records,
    "records-plainly": records_plainly,
}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](*sys.argv[2:])))
