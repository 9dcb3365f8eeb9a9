"""Device sections decoded by their own descriptions."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, strategies as st

from domctx.testing.strategies import plain_values
from domctx_qemu.fields import REST, decode, value_of


def field(name: str, size: int, kind: str = "uint8", **more: Any) -> dict[str, Any]:
    """A field as QEMU describes it."""
    return {"name": name, "type": kind, "size": size, **more}


def section(*fields: Any, **more: Any) -> dict[str, Any]:
    """A device, struct or subsection as QEMU describes it."""
    return {"fields": list(fields), **more}


def test_arrays_structs_and_subsections() -> None:
    """Arrays are lists, structs are dicts, and a subsection stands under its name behind the fields of its parent."""
    inner = section(
        field("a", 1), field("b", 2, "int16"), subsections=[section(field("c", 1), vmsd_name="s/x", version=3)]
    )
    sub = b"\x05\x03s/x" + struct.pack(">I", 3) + b"\x09"
    description = section(
        field("one", 1, "bool"),
        field("many", 3 + len(sub), "struct", array_len=2, struct=inner),
        field("each", 1, index=0),
        field("each", 1, index=1),
        field("twice", 1),
        field("twice", 1),
        field("none", 0, array_len=1 << 60),
        subsections=[section(field("d", 4, "uint32"), vmsd_name="dev/y", version=1)],
    )
    octets = b"\x01" + (b"\x02\xff\xfe" + sub) * 2 + b"\x03\x04\x05\x06" + b"\x05\x05dev/y\0\0\0\x01" + b"\0\0\1\0"
    assert decode(description, octets) == {
        "one": True,
        "many": [{"a": 2, "b": -2, "s/x": {"c": 9}}] * 2,
        "each": [3, 4],
        "twice": [5, 6],
        "none": [],
        "dev/y": {"d": 256},
    }


@pytest.mark.parametrize(
    ("kind", "octets", "value"),
    [
        ("uint32", b"\0\0\1\0", 256),
        ("int32", b"\xff\xff\xff\xff", -1),
        ("uint32 equal", b"\0\0\0\1", 1),
        ("int32 le", b"\1\0\0\0", 1),
        ("bool", b"\0", False),
        ("bool", b"\7", "07"),
        ("float64", struct.pack(">d", 1.5), 1.5),
        ("float64", struct.pack(">d", float("inf")), "7ff0000000000000"),
        ("CPU_Double_U", b"\0\0\0\0\0\0\0\2", 2),
        ("timer", b"\xff" * 8, -1),
        ("bitmap", b"\0" * 15 + b"\3", [0, 3]),
        ("buffer", b"\1\2", "0102"),
        ("uint64", b"\1" * 16, "01" * 16),
        (None, b"\1", "01"),
    ],
)
def test_values(kind: Any, octets: bytes, value: Any) -> None:
    """Numbers by their type and order, everything else as octets."""
    assert value_of(kind, octets) == value


MISFITS = {
    "a field that is too long": section(field("a", 1), field("b", 9)),
    "a field without a size": section(field("a", 1), {"name": "b"}),
    "a field that is none": section(field("a", 1), 5),
    "an array that is too long": section(field("a", 1), field("b", 1, array_len=1 << 60)),
    "a struct that is not as long as it says": section(field("a", 1), field("b", 2, struct=section(field("c", 1)))),
    "a subsection that is not there": section(field("a", 1), subsections=[section(vmsd_name="x", version=1)]),
    "a subsection without a name": section(field("a", 1), subsections=[section(version=1)]),
}


@pytest.mark.parametrize("what", MISFITS)
def test_what_does_not_fit_is_octets(what: str) -> None:
    """Where the description does not fit the octets from there on are shown as they are."""
    found = decode(MISFITS[what], b"\x01\x02\x03")
    assert found is not None
    assert found["a"] == 1
    assert found[REST] == "0203"


def test_without_a_description_there_are_no_fields() -> None:
    """What does not describe itself is not decoded."""
    assert decode(None, b"\1") is None


def test_the_number_of_values_is_bounded() -> None:
    """Structs of many empty fields cannot make more of a section than it holds."""
    crowd = section(*[field(str(place), 0) for place in range(2000)], field("x", 1))
    found = decode(section(field("all", 1, struct=crowd, array_len=100)), bytes(100))
    assert found is not None
    assert REST in found


@given(plain_values(), st.binary(max_size=40))
def test_anything_is_decoded_or_left(description: Any, octets: bytes) -> None:
    """No description makes the decoder fail."""
    decode(description, octets)
    decode({"fields": description, "subsections": description}, octets)
    decode({"fields": [description], "subsections": [description]}, octets)
