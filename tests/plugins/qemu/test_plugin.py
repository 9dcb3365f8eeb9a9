"""The record type DEVICE, driven as the core drives it."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import RecordError
from domctx.states import DEVICES, DeviceSection
from domctx.testing import RecordTypeContract
from domctx_qemu import StoredDevices
from domctx_qemu.plugin import domctx_record_types
from helpers.device_states import stored_devices, timer
from helpers.record_road import Road, accepted_cuts, silent_flips

(TYPE,) = domctx_record_types()
ROAD = Road(TYPE)
SMALL = StoredDevices([DeviceSection("rtc", 1, 3, b"\xca\xfe", {"a": 1})])


class TestDeviceContract(RecordTypeContract):
    """DEVICE keeps the contract of record types."""

    record_type = TYPE
    max_changes = 512

    def states(self) -> st.SearchStrategy[StoredDevices]:
        """States of one section and more."""
        return stored_devices(least=1)


def test_the_type_is_the_one_of_the_design() -> None:
    """Code, name and state are those of DESIGN.md section 4."""
    assert (TYPE.code, TYPE.name, TYPE.state) == (0x0001_0300, "DEVICE", DEVICES)


@settings(max_examples=40, deadline=None)
@given(stored_devices())
def test_records_come_back_and_their_size_is_known(saved: StoredDevices) -> None:
    """What is saved loads to an equal state, in records by position; the declared size is the real one."""
    octets = ROAD.save(saved)
    assert ROAD.size(saved) == len(octets)
    assert ROAD.load(octets).sections == saved.sections
    assert [instance for instance, _ in ROAD.bodies(saved)] == list(range(len(saved.sections)))


def test_the_body_is_the_one_composed_by_hand() -> None:
    """Name, instance 1, version 3, two octets of state, four of canonical CBOR for {"a": 1}."""
    numbers = bytes.fromhex("01000000 03000000 0200000000000000 0400000000000000")
    assert ROAD.body(SMALL) == b"rtc".ljust(256, b"\0") + numbers + bytes.fromhex("cafe a1616101")


def test_damage_is_refused_or_comes_back() -> None:
    """Every cut and every octet more is refused; every flipped bit is refused or saves to just that again."""
    body = ROAD.body(SMALL)
    assert accepted_cuts(ROAD, body) == []
    assert accepted_cuts(ROAD, body + bytes(1)) == [len(body)]
    assert silent_flips(ROAD, body, range(8 * len(body))) == []


def test_a_reserved_octet_that_is_set_is_refused() -> None:
    """The octet behind the name is zero."""
    body = bytearray(ROAD.body(SMALL))
    body[255] = 1
    with pytest.raises(RecordError, match="reserved"):
        ROAD.load_body(bytes(body))


def test_show_tells_the_section() -> None:
    """``show`` gives name, instance, version, size, digest, the first octets, its fields and the description."""
    section = timer()
    assert ROAD.show(ROAD.body(StoredDevices([section]))) == {
        "name": "timer",
        "instance": 0,
        "version": 2,
        "size": 26,
        "sha256": hashlib.sha256(section.octets).hexdigest(),
        "head": section.octets.hex(),
        "fields": {"cpu_ticks_offset": 1, "unused": 2, "cpu_clock_offset": 123456789, "flags": [0, 0xAA]},
        "description": section.description,
    }


def test_diff_names_section_and_field() -> None:
    """The type's own comparison is the one of ``compare``."""
    other = timer(b"\x01" + timer().octets[1:])
    found = ROAD.diff(StoredDevices([timer()]), StoredDevices([other]))
    assert found == [("DEVICE[0]", "timer[0].cpu_ticks_offset", "0000000000000001", "0100000000000001")]
