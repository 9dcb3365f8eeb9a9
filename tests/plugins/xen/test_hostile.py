"""Every record flipped and cut: what is wrong is found, or the part is one that ``verify`` says no check covers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from helpers.xen_streams import KINDS, Made, made
from helpers.xen_verdicts import verdict

SAMPLES = 2
"""Octets of a stretch without a check that are flipped."""
WHOLE = ("pv32-v4", "xl-hvm", "optional")
"""Streams of which every octet is flipped that a check covers; together they have every kind of record."""


def places(stream: Made, samples: int | None) -> list[int]:
    """``samples`` octets of each stretch that is covered, None: all, and some of the others."""
    generator, found, start = random.Random(1), list[int](), 0
    for bit in stream.bits:
        within = range(start, start + len(bit.octets))
        wanted = SAMPLES if bit.part or samples is not None else len(within)
        found += generator.sample(within, min(wanted, len(within)))
        start += len(bit.octets)
    return sorted(found)


@pytest.mark.parametrize("name", KINDS)
def test_flipped_bits_are_found_or_the_part_is_told(name: str, tmp_path: Path) -> None:
    """A stream with one bit flipped falls short, or the bit is in a part that is told not to be covered."""
    stream, generator = made(*KINDS[name]), random.Random(2)
    path, octets = tmp_path / "flipped.xen", bytearray(stream.octets)
    for place in places(stream, None if name in WHOLE else SAMPLES):
        flip = 1 << generator.randrange(8)
        octets[place] ^= flip
        path.write_bytes(octets)
        octets[place] ^= flip
        found, part = verdict(path), stream.part_at(place)
        if found.problem is None:
            known = part in found.uncovered or any("optional" in each for each in found.uncovered)
            assert known, f"octet 0x{place:x} ^ 0x{flip:02x}, {part!r}"


@pytest.mark.parametrize("name", KINDS)
def test_cut_streams_fall_short(name: str, tmp_path: Path) -> None:
    """A stream that ends anywhere but at its end falls short, and the file and an offset within it are named."""
    stream = made(*KINDS[name])
    path, octets = tmp_path / "cut.xen", stream.octets
    edges, start = set[int](), 0
    for bit in stream.bits:
        edges |= {start, start + len(bit.octets) // 2}
        start += len(bit.octets)
    for stop in sorted(edge for edge in edges if edge < len(octets)):
        path.write_bytes(octets[:stop])
        found = verdict(path)
        assert found.problem is not None, f"cut at 0x{stop:x}"
        assert str(path) in found.problem
