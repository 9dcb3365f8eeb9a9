"""The DEVICE record's layout."""

from __future__ import annotations

from domctx.schema import decode, offset_of, size_of
from domctx_qemu.layout import MAX_NAME, DeviceBody


def test_the_state_stands_behind_280_octets() -> None:
    """255 octets of name, one reserved, two numbers of four octets and two lengths of eight stand before the state."""
    names = ("name", "reserved", "instance", "version", "size", "description_size", "tail")
    assert [offset_of(DeviceBody, name) for name in names] == [0, MAX_NAME, 256, 260, 264, 272, 280]
    assert size_of(DeviceBody) == 280


def test_a_body_written_by_hand_is_read() -> None:
    """Instance 1, version 3, two octets of state, and three of description."""
    numbers = bytes.fromhex("01000000 03000000 0200000000000000 0300000000000000")
    octets = b"0000:00:02.0/vga".ljust(256, b"\0") + numbers + b"\xca\xfe" + b"\xa1\x61\x61"
    found = decode(DeviceBody, octets)
    assert (found.name, found.instance, found.version) == ("0000:00:02.0/vga", 1, 3)
    assert (found.size, found.description_size, found.tail) == (2, 3, b"\xca\xfe\xa1\x61\x61")
