"""An HVM save image as a JSON value."""

from __future__ import annotations

from domctx_hvm.show import shown
from helpers.hvm_states import entry, image


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
