"""Every type of entry against golden files that were computed by hand from formats/xen.md 3.2 and 3.3."""

from __future__ import annotations

import pytest

from domctx_hvm.image import Entry
from domctx_hvm.show import shown_entry
from domctx_hvm.types import TYPES, decode_entry, encode_entry
from helpers.hvm_golden import STEMS, golden


def test_there_is_a_file_for_each_type() -> None:
    """Every type of entry has a golden file of its full length."""
    assert set(STEMS) >= {kind.name.lower() for kind in TYPES}


@pytest.mark.parametrize("stem", STEMS)
def test_an_entry_is_shown_as_computed(stem: str) -> None:
    """An entry's type, instance, length and fields are those of its golden file, and no others."""
    said = golden(stem)
    shown = shown_entry(Entry(said.typecode, said.instance, said.body))
    assert (shown["type"], shown["instance"], shown["length"]) == (said.type, said.instance, len(said.body))
    assert shown.get("fields") == said.fields


@pytest.mark.parametrize("stem", STEMS)
def test_an_entry_is_encoded_as_computed(stem: str) -> None:
    """The object of an entry encodes to the octets of its golden file, at its length."""
    said = golden(stem)
    if said.fields is not None:
        value = decode_entry(Entry(said.typecode, said.instance, said.body))
        assert encode_entry(value, len(said.body)) == said.body


@pytest.mark.parametrize("body", ["00" * 16, "02000000 00000000" + "00" * 16, "01000000"])
def test_registers_that_are_not_as_many_as_they_say_are_shown_as_octets(body: str) -> None:
    """A CPU_MSR entry whose count does not fit its length shows what it holds undivided."""
    shown = shown_entry(Entry(20, 0, bytes.fromhex(body)))
    octets = shown["fields"]["msrs"] if "fields" in shown else shown["octets"]
    assert bytes.fromhex(octets) == bytes.fromhex(body)[-len(octets) // 2 :]


def test_an_xsave_area_that_is_too_short_is_shown_as_octets() -> None:
    """A CPU_XSAVE entry with less than the area's fixed part shows the area undivided."""
    shown = shown_entry(Entry(16, 0, bytes(24) + b"\x01\x02"))
    assert shown["fields"] == {"xfeature_mask": 0, "xcr0": 0, "xcr0_accum": 0, "save_area": "0102"}


@pytest.mark.parametrize(("typecode", "name"), [(21, "TYPE_21"), (34, "TYPE_34"), (0xFFFF, "TYPE_65535")])
def test_an_entry_of_an_unknown_type_is_shown_as_octets(typecode: int, name: str) -> None:
    """What nobody knows is shown raw."""
    entry = Entry(typecode, 4, b"\xab\xcd")
    assert shown_entry(entry) == {"type": name, "instance": 4, "length": 2, "octets": "abcd"}


@pytest.mark.parametrize(("typecode", "length"), [(2, 1033), (3, 7), (4, 401), (5, 33), (12, 0), (16, 23), (20, 7)])
def test_an_entry_of_a_length_that_its_type_cannot_have_is_shown_as_octets(typecode: int, length: int) -> None:
    """Strict types have one length, zero-extended ones at most theirs, and lists at least their head."""
    assert shown_entry(Entry(typecode, 0, bytes(length)))["octets"] == "00" * length
