"""Tests of domctx.wire: headers, padding, START, codes."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from domctx import wire
from domctx.errors import RecordError, UnsupportedError
from domctx.wire import Header
from helpers.toy_images import SMALLEST

U32 = st.integers(0, 0xFFFF_FFFF)
U64 = st.integers(0, (1 << 64) - 1)


@given(U32, U32, U64)
def test_headers_are_read_as_written(type: int, instance: int, length: int) -> None:
    """u32 type, u32 instance, u64 length, little-endian, sixteen octets."""
    octets = wire.pack_header(type, instance, length)
    assert octets == type.to_bytes(4, "little") + instance.to_bytes(4, "little") + length.to_bytes(8, "little")
    assert wire.unpack_header(octets) == (type, instance, length)


@given(U64)
def test_records_fill_a_multiple_of_eight(length: int) -> None:
    """Zero to seven zeros; the size counts header, body and padding."""
    pad = wire.padding(length)
    assert pad == bytes(len(pad))
    assert len(pad) < 8
    assert (length + len(pad)) % 8 == 0
    assert wire.record_size(length) == 16 + length + len(pad)


def test_the_worked_example() -> None:
    """START 4.15 and END of formats/xen.md 2.2 are these 40 octets."""
    start = wire.pack_header(wire.TYPE_START, 0, 8) + wire.START_BODY.pack(*wire.XEN_VERSION)
    assert start + wire.END_RECORD == SMALLEST
    assert len(SMALLEST) == 40


def test_bit_31_is_no_part_of_the_code() -> None:
    """X and X with bit 31 are one type."""
    assert Header(0x8001_0200, 0, 0).code == 0x10200
    assert Header(0x8001_0200, 0, 0).optional
    assert not Header(0x1_0200, 0, 0).optional


def test_names_of_records() -> None:
    """By name or by number, with or without an instance."""
    assert wire.record_name("CPU", 3) == "CPU[3]"
    assert wire.record_name("CPU") == "CPU"
    assert wire.record_name(0x10200, 3) == "type 0x00010200[3]"
    assert wire.record_name(0x10200) == "type 0x00010200"


def test_start_has_eight_octets() -> None:
    """Major and minor; any other length is refused."""
    assert wire.unpack_start(bytes([4, 0, 0, 0, 15, 0, 0, 0])) == (4, 15)
    for length in (0, 7, 9):
        with pytest.raises(RecordError, match=rf"START\[0\]: START has the wrong length; expected 8, got {length}"):
            wire.unpack_start(bytes(length))


@pytest.mark.parametrize("found", [(0, 0), (3, 99), (4, 0), (4, 14), (4, 15)])
def test_older_versions_are_welcome(found: tuple[int, int]) -> None:
    """Up to our own."""
    wire.check_version(found)


@pytest.mark.parametrize("found", [(4, 16), (5, 0), (5, 14), (0xFFFF_FFFF, 0xFFFF_FFFF)])
def test_newer_versions_are_refused_unless_allowed(found: tuple[int, int]) -> None:
    """Compared lexicographically: 5.0 is newer than 4.15, though its minor is smaller."""
    with pytest.raises(UnsupportedError, match=f"expected at most 4.15, got {found[0]}.{found[1]}"):
        wire.check_version(found)
    wire.check_version(found, allow_newer=True)


def test_every_code_has_one_owner() -> None:
    """The ranges follow each other without a gap, up to bit 31."""
    position = 0
    for range_ in wire.CODE_RANGES:
        assert range_.first == position
        position = range_.last + 1
        assert wire.code_range(range_.first) == wire.code_range(range_.last) == range_
    assert position == wire.OPTIONAL
