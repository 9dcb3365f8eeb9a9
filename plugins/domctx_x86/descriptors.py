"""Descriptors of GDT and LDT as named fields (Intel SDM volume 3, 3.4.5, 3.5 and 6.11)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

SIZE: Final = 8
CODE: Final = 8
ACCESSED, MORE, TURNED = 1, 2, 4
"""Bits of a segment's type: accessed; writable, or readable; expand-down, or conforming."""
SYSTEM: Final = {
    1: "tss16",
    2: "ldt",
    3: "tss16 busy",
    4: "call gate16",
    5: "task gate",
    6: "interrupt gate16",
    7: "trap gate16",
    9: "tss32",
    11: "tss32 busy",
    12: "call gate32",
    14: "interrupt gate32",
    15: "trap gate32",
}
"""Types of system descriptors; in long mode those of 32 bits are of 64."""
GATES: Final = frozenset((4, 5, 6, 7, 12, 14, 15))
FLAGS: Final = {20: "avl", 21: "long", 22: "big", 23: "granularity"}
"""Bits of the second word, by number."""


def described(entries: Sequence[bytes], *, long: bool = False) -> Iterator[dict[str, Any]]:
    """The entries of a GDT or LDT (8 octets each) that are not null, as JSON values.

    ``selector`` (RPL 0), ``base``, ``limit`` (of the last octet), ``type``, ``dpl``, ``present``, ``flags``; a gate
    has ``target`` and ``offset`` for base and limit. In long mode a system descriptor takes two entries.
    """
    place = 0
    while place < len(entries):
        low = int.from_bytes(entries[place], "little")
        wide = long and bool(low) and not low >> 44 & 1
        if low:
            high = int.from_bytes(entries[place + 1], "little") if wide and place + 1 < len(entries) else 0
            yield {"selector": place * SIZE} | descriptor(low, high, long=long)
        place += 2 if wide else 1


def descriptor(low: int, high: int = 0, *, long: bool = False) -> dict[str, Any]:
    """One descriptor; ``high`` are the second 8 octets of a system descriptor in long mode."""
    kind, system = low >> 40 & 0xF, not low >> 44 & 1
    fields = _gate(low, high) if system and kind in GATES else _segment(low, high)
    fields |= {"type": _type(kind, system, long=long), "dpl": low >> 45 & 3, "present": bool(low >> 47 & 1)}
    return fields | {"flags": list(_flags(low, kind, system))}


def _segment(low: int, high: int) -> dict[str, Any]:
    limit = low & 0xFFFF | low >> 32 & 0xF_0000
    if low >> 55 & 1:
        limit = limit << 12 | 0xFFF
    return {"base": low >> 16 & 0xFF_FFFF | low >> 32 & 0xFF00_0000 | (high & 0xFFFF_FFFF) << 32, "limit": limit}


def _gate(low: int, high: int) -> dict[str, Any]:
    offset = low & 0xFFFF | low >> 32 & 0xFFFF_0000 | (high & 0xFFFF_FFFF) << 32
    return {"target": low >> 16 & 0xFFFF, "offset": offset}


def _type(kind: int, system: bool, *, long: bool) -> str:
    if not system:
        return "code" if kind & CODE else "data"
    name = SYSTEM.get(kind, f"reserved {kind}")
    return name.replace("32", "64") if long else name


def _flags(low: int, kind: int, system: bool) -> Iterator[str]:
    if not system:
        code = kind & CODE
        if kind & ACCESSED:
            yield "accessed"
        if kind & MORE:
            yield "readable" if code else "writable"
        if kind & TURNED:
            yield "conforming" if code else "expand-down"
    if not (system and kind in GATES):
        yield from (name for bit, name in FLAGS.items() if low >> bit + 32 & 1)
