"""What must be zero, and is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import xen_streams as xs
from helpers.xen_streams import OPTIONAL, Bit, Bits, made, record
from helpers.xen_verdicts import verdict_of


def emulated(*records: Bits) -> list[Bits]:
    """An HVM guest in a libxl stream with other records of libxl."""
    return xs.libxl(xs.hvm(), *records)


def behind(*records: Bits) -> list[Bits]:
    """An HVM guest with other records behind its own."""
    return [*xs.hvm()[:-1], *records, xs.END]


def reserved(place: int, stream: list[Bits]) -> list[Bits]:
    """A stream with an octet set."""
    octets = bytearray(made(*stream).octets)
    octets[place] = 2
    return [(Bit(bytes(octets)),)]


WRONG: dict[str, tuple[list[Bits], str]] = {
    "options of libxl": (reserved(14, emulated()), "the options of libxl: octets that must be zero"),
    "options of libxc": (reserved(17, xs.hvm()), "the options of libxc: octets"),
    "image header": (reserved(20, xs.hvm()), "the image header: octets"),
    "domain header": (reserved(30, xs.hvm()), "the domain header: octets"),
    "padding": (behind(record(OPTIONAL | 1, b"abc", padding=b"\0\0\0\0\1")), "padding of record 0x80000001: octets"),
    "page word": ([*xs.hvm()[:4], xs.page_data((1 | 1 << 55, xs.page(1))), *xs.hvm()[5:]], "PAGE_DATA record: octets"),
    "TSC": ([*xs.hvm()[:5], record(8, bytes(20), b"\1\0\0\0"), *xs.hvm()[6:]], "X86_TSC_INFO: octets"),
}


@pytest.mark.parametrize("name", WRONG)
def test_octets_that_must_be_zero_are_told(name: str, tmp_path: Path) -> None:
    """Named, with the offset of the first such octet."""
    stream, message = WRONG[name]
    found = verdict_of(tmp_path, *stream)
    assert found.problem is not None
    assert message in found.problem
    assert str(tmp_path) in found.problem
