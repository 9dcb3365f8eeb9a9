"""Files of every variant of LinuxGuestRecord, made from formats/xen.md 1.3 to 1.9 with nothing but ``struct``."""

from __future__ import annotations

import gzip
import itertools
import random
import struct
from collections.abc import Callable, Iterable, Sequence

import attrs

PAGE = 4096
NOTAB, L1TAB, L2TAB = 0, 1, 2
PRESENT, RW = 1, 2
ESI_AT, LDT_BASE_AT, LDT_ENTS_AT = 4 + 12, 2380, 2384
GDT_FRAMES_AT, GDT_ENTS_AT, PT_BASE_AT = 2388, 2452, 2464

SUSPEND_RECORD, P2M, GDT_FRAME, PAGE_TABLE, DIRECTORY = range(5)
"""What the first pages of a guest are; further pages are the test's."""


@attrs.frozen
class Guest:
    """What a file holds: 16 octets of name, 2516 of context, a page of shared info, the frame list, types, pages."""

    name: bytes
    context: bytes
    shared_info: bytes
    frame_page: bytes
    types: tuple[int, ...]
    pages: tuple[bytes, ...]

    @property
    def pfns(self) -> int:
        """N."""
        return len(self.types)


def patch(octets: bytes, at: int, *words: int) -> bytes:
    """Octets with words replaced."""
    return octets[:at] + struct.pack(f"<{len(words)}I", *words) + octets[at + 4 * len(words) :]


def make_guest(pfns: int = 8, seed: int = 0, *, name: bytes = b"guest", gdt_entries: int = 40) -> Guest:
    """A guest that keeps every rule of the restore; ``pfns`` at least 5. A third of its plain pages are zero."""
    rng = random.Random(seed)
    types = [NOTAB] * pfns
    types[PAGE_TABLE], types[DIRECTORY] = L1TAB, L2TAB
    for pfn in range(DIRECTORY + 1, pfns):
        types[pfn] = rng.choice((NOTAB, NOTAB, NOTAB, L1TAB))
    plain = [pfn for pfn in range(pfns) if not types[pfn]]
    tables = [pfn for pfn in range(pfns) if types[pfn] == L1TAB]
    pages = [_page(types[pfn], plain, tables, rng) for pfn in range(pfns)]
    context = bytearray(rng.randbytes(2516))
    struct.pack_into("<I", context, ESI_AT, SUSPEND_RECORD)
    struct.pack_into("<2I", context, LDT_BASE_AT, 0xC0001000, 8)
    frames = [rng.choice(plain) for _ in range(-(-gdt_entries // 512))]
    struct.pack_into("<16I", context, GDT_FRAMES_AT, *frames, *[0] * (16 - len(frames)))
    struct.pack_into("<I", context, GDT_ENTS_AT, gdt_entries)
    struct.pack_into("<I", context, PT_BASE_AT, DIRECTORY << 12)
    groups = -(-pfns // 1024)
    shared = bytearray(rng.randbytes(PAGE))
    shared[716:2048] = bytes(2048 - 716)
    return Guest(
        name=name.ljust(16, b"\0"),
        context=bytes(context),
        shared_info=bytes(shared),
        frame_page=struct.pack(f"<{groups}I", *[P2M] * groups).ljust(PAGE, b"\0"),
        types=tuple(types),
        pages=tuple(pages),
    )


def _page(type_: int, plain: Sequence[int], tables: Sequence[int], rng: random.Random) -> bytes:
    if type_ == NOTAB:
        return rng.choice((bytes(PAGE), rng.randbytes(PAGE), rng.randbytes(1) * PAGE))
    entries = [0] * 1024
    for _ in range(20):
        if type_ == L1TAB:
            entries[rng.randrange(1024)] = rng.choice(plain) << 12 | 0x63
            entries[rng.randrange(1024)] = rng.choice(tables) << 12 | 0x61
        else:
            entries[rng.randrange(1008)] = rng.choice(tables) << 12 | 0x67
    if type_ == L2TAB:
        entries[1008:] = [rng.getrandbits(32) for _ in range(16)]
    return struct.pack("<1024I", *entries)


def _start(signature: bytes, guest: Guest) -> bytes:
    return signature + guest.name + struct.pack("<I", guest.pfns)


def _arrays(guest: Guest) -> bytes:
    return struct.pack(f"<{guest.pfns}I", *guest.types) + b"".join(guest.pages)


def a0(guest: Guest) -> bytes:
    """November 2003, first: no shared info."""
    return _start(b"XenoLinuxSuspend", guest) + guest.context + guest.frame_page + _arrays(guest)


def a1(guest: Guest) -> bytes:
    """November 2003."""
    blocks = guest.context + guest.shared_info + guest.frame_page
    return _start(b"XenoLinuxSuspend", guest) + blocks + _arrays(guest)


def a2(guest: Guest) -> bytes:
    """November 2003, compressed."""
    return gzip.compress(a1(guest), 1, mtime=0)


def a3(guest: Guest) -> bytes:
    """March 2004: the seed's."""
    blocks = guest.context + guest.shared_info + guest.frame_page
    return _start(b"LinuxGuestRecord", guest) + blocks + _arrays(guest)


Item = tuple[int, bytes | None]
"""(type << shift | pfn, page) of one word of a batch; no page for a word that is only listed."""


def batch(items: Sequence[Item]) -> bytes:
    """One batch: a count, the words, the pages."""
    words = struct.pack(f"<I{len(items)}I", len(items), *[word for word, _ in items])
    return words + b"".join(page for _, page in items if page is not None)


def items(guest: Guest, shift: int, pfns: Iterable[int] | None = None) -> list[Item]:
    """The words and pages of some PFNs, or of all."""
    chosen = range(guest.pfns) if pfns is None else pfns
    return [(guest.types[pfn] << shift | pfn, guest.pages[pfn]) for pfn in chosen]


def cut(things: Sequence[Item], size: int) -> list[bytes]:
    """Batches of ``size`` words."""
    return [batch(things[start : start + size]) for start in range(0, len(things), size)]


MARKER = struct.pack("<i", -1)
END = bytes(4)


def b(guest: Guest, batches: Sequence[bytes] | None = None) -> bytes:
    """May 2004: pages in batches; 1024 to a batch unless ``batches`` are given."""
    blocks = guest.context + guest.shared_info + guest.frame_page
    middle = b"".join(cut(items(guest, 29), 1024) if batches is None else batches)
    return _start(b"LinuxGuestRecord", guest) + blocks + middle + END


def c(guest: Guest, batches: Sequence[bytes]) -> bytes:
    """May 2004, live: batches in the middle, context and shared info last."""
    start = _start(b"LinuxGuestRecord", guest) + guest.frame_page
    return start + b"".join(batches) + END + guest.context + guest.shared_info


def c1(guest: Guest, size: int = 1024) -> bytes:
    """Live with three bits of type."""
    return c(guest, cut(items(guest, 29), size))


def c2(guest: Guest, size: int = 1024) -> bytes:
    """Live with four bits of type."""
    return c(guest, cut(items(guest, 28), size))


VARIANTS: dict[str, Callable[[Guest], bytes]] = {"A0": a0, "A1": a1, "A2": a2, "A3": a3, "B": b, "C1": c1, "C2": c2}


def members(octets: bytes, *cuts: int, level: int = 6) -> bytes:
    """A gzip file of several members, cut at these places."""
    places = [0, *sorted(cuts), len(octets)]
    return b"".join(gzip.compress(octets[start:stop], level, mtime=0) for start, stop in itertools.pairwise(places))
