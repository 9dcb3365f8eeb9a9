"""An HVM save image as a JSON value."""

from __future__ import annotations

import contextlib
import json

from hypothesis import given, strategies as st

from domctx.errors import DomctxError
from domctx_hvm.compare import compare
from domctx_hvm.registers import HvmRegisters
from domctx_hvm.show import shown
from helpers.hvm_states import entry, image, images


def test_entries_are_shown_in_their_order() -> None:
    """HEADER first, END last, each with its type, instance and length."""
    found = shown(image(entry(3, bytes(8), 1), entry(99, b"\1", 2)))
    heads = [(each["type"], each["instance"], each["length"]) for each in found["entries"]]
    assert heads == [("HEADER", 0, 24), ("PIC", 1, 8), ("TYPE_99", 2, 1), ("END", 0, 0)]
    assert found["entries"][0]["fields"]["gtsc_khz"] == 2499996
    assert list(found) == ["entries"]


def test_what_stands_behind_end_is_shown() -> None:
    """Octets behind END are shown as such."""
    assert shown(image() + b"\1\2")["trailing"] == "0102"


def test_repeated_entries_and_units_that_there_are_not_are_shown_as_octets() -> None:
    """A second entry of one type and instance, and an I/O APIC of instance 2, are told undivided."""
    found = shown(image(entry(3, bytes(8), 1), entry(3, bytes(8), 1), entry(4, bytes(400), 2)))["entries"]
    assert "fields" in found[1]
    assert found[2] == {"type": "PIC", "instance": 1, "length": 8, "octets": "00" * 8}
    assert found[3]["octets"] == "00" * 400


@given(images(), st.data())
def test_whatever_is_shown_is_json(octets: bytes, data: st.DataObject) -> None:
    """An image with flipped bits is refused with a DomctxError, or is shown as a JSON value and does not differ from
    itself; its registers are refused or told."""
    damaged = bytearray(octets)
    for bit in data.draw(st.lists(st.integers(0, 8 * len(octets) - 1), max_size=4)):
        damaged[bit // 8] ^= 1 << bit % 8
    try:
        json.dumps(shown(bytes(damaged)), allow_nan=False)
    except DomctxError:
        return
    assert list(compare(bytes(damaged), bytes(damaged))) == []
    found = HvmRegisters(bytes(damaged)).vcpus
    for vcpu in found:
        with contextlib.suppress(DomctxError):
            assert found[vcpu].general["rip"] >= 0


def test_a_hostile_image_is_shown_in_bounded_memory() -> None:
    """The JSON of an image of 4 MiB of I/O APICs is no longer than a few times the image."""
    many = image(*(entry(4, bytes(400), instance) for instance in range(10_000)))
    assert len(json.dumps(shown(many))) < 4 * len(many)
