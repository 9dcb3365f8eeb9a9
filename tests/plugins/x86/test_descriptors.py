"""Descriptors as named fields; the octets are written out by hand from the manual."""

from __future__ import annotations

import pytest

from domctx_x86.descriptors import described, descriptor


def entry(text: str) -> bytes:
    """Eight octets, the lowest first."""
    return bytes.fromhex(text)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (
            "ffff0000009acf00",
            {"base": 0, "limit": 0xFFFF_FFFF, "type": "code", "dpl": 0, "present": True}
            | {"flags": ["readable", "big", "granularity"]},
        ),
        (
            "3412cdab89f7054f",
            {"base": 0x4F89_ABCD, "limit": 0x5_1234, "type": "data", "dpl": 3, "present": True}
            | {"flags": ["accessed", "writable", "expand-down"]},
        ),
        (
            "000000000075a000",
            {"base": 0, "limit": 0xFFF, "type": "data", "dpl": 3, "present": False}
            | {"flags": ["accessed", "expand-down", "long", "granularity"]},
        ),
        (
            "000000000015b000",
            {"base": 0, "limit": 0xFFF, "type": "data", "dpl": 0, "present": False}
            | {"flags": ["accessed", "expand-down", "avl", "long", "granularity"]},
        ),
        (
            "00000000009c0000",
            {"base": 0, "limit": 0, "type": "code", "dpl": 0, "present": True, "flags": ["conforming"]},
        ),
        (
            "67000010108b0000",
            {"base": 0x10_1000, "limit": 0x67, "type": "tss32 busy", "dpl": 0, "present": True, "flags": []},
        ),
        (
            "785608000aec3412",
            {"target": 8, "offset": 0x1234_5678, "type": "call gate32", "dpl": 3, "present": True, "flags": []},
        ),
        (
            "0000000000800000",
            {"base": 0, "limit": 0, "type": "reserved 0", "dpl": 0, "present": True, "flags": []},
        ),
    ],
)
def test_one_descriptor(octets: str, expected: dict[str, object]) -> None:
    """Base and limit are put together from their parts, pages counted as octets; gates have a target."""
    assert descriptor(int.from_bytes(entry(octets), "little")) == expected


def test_a_table() -> None:
    """Null entries are left out, others known by their selector."""
    table = [bytes(8), entry("ffff0000009acf00"), bytes(8), entry("67000010108b0000")]
    assert [(found["selector"], found["type"]) for found in described(table)] == [(8, "code"), (24, "tss32 busy")]


def test_a_table_of_long_mode() -> None:
    """A system descriptor takes two entries, and its base has 64 bits; at the table's end the upper half is missing."""
    upper = entry("8877665500000000")
    table = [bytes(8), entry("67000010108b0040"), upper, entry("ffff0000009baf00"), entry("0000000000890000")]
    found = list(described(table, long=True))
    assert [(row["selector"], row["type"]) for row in found] == [(8, "tss64 busy"), (24, "code"), (32, "tss64")]
    assert found[0]["base"] == 0x5566_7788_4010_1000
    gate = described([entry("785608000aec3412"), upper], long=True)
    assert [(row["offset"], row["type"]) for row in gate] == [(0x5566_7788_1234_5678, "call gate64")]
