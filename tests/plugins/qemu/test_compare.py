"""Two lists of device sections."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given, settings

from domctx.states import DeviceSection
from domctx_qemu import StoredDevices
from domctx_qemu.compare import compare, places
from helpers.device_states import TIMER_FIELDS, TIMER_STATE, stored_devices, timer

OTHER = DeviceSection("kvmclock", 0, 1, b"abcdefgh")


def found(a: list[DeviceSection], b: list[DeviceSection]) -> list[tuple[str, str, Any, Any]]:
    """The differences as tuples."""
    return [(each.record, each.path, each.a, each.b) for each in compare(a, b)]


def changed(place: int) -> bytes:
    """The timer's state with one octet changed."""
    return TIMER_STATE[:place] + bytes([TIMER_STATE[place] ^ 0xFF]) + TIMER_STATE[place + 1 :]


@settings(max_examples=30, deadline=None)
@given(stored_devices())
def test_a_state_does_not_differ_from_itself(state: StoredDevices) -> None:
    """Equal sections in equal order differ in nothing."""
    assert found(list(state.sections), list(state.sections)) == []


def test_a_field_is_named_by_its_description() -> None:
    """Where both sides describe themselves alike, the field is told by its name."""
    assert found([OTHER, timer()], [OTHER, timer(changed(9))]) == [
        ("DEVICE[1]", "timer[0].unused", "0000000000000002", "00ff000000000002")
    ]
    assert found([timer()], [timer(changed(25))]) == [("DEVICE[0]", "timer[0].flags[1]", "aa", "55")]


def test_octets_are_told_by_place_without_a_description() -> None:
    """Where a side does not describe itself the runs of octets are told, and the missing description."""
    bare = [attrs.evolve(timer(octets), name="x", description=None) for octets in (TIMER_STATE, changed(9))]
    assert found([bare[0]], [bare[1]]) == [("DEVICE[0]", "x[0].octets[0x9:0xa]", "00", "ff")]
    paths = [path for _, path, _, _ in found([attrs.evolve(timer(), name="x")], [bare[1]])]
    assert paths == ["x[0].octets[0x9:0xa]", "x[0].description"]


def test_fields_that_every_age_had_are_named_without_a_description() -> None:
    """Sections whose fields are known are told by field, whoever wrote them."""
    known = [attrs.evolve(timer(octets), version=2, description=None) for octets in (TIMER_STATE, changed(9))]
    assert found(known[:1], known[1:]) == [
        ("DEVICE[0]", "timer[0].ticks_per_sec", "0000000000000002", "00ff000000000002")
    ]


def test_octets_behind_the_described_fields_are_told_by_place() -> None:
    """What the description does not reach is told as octets of the section."""
    described = [timer(octets, fields=TIMER_FIELDS[:1]) for octets in (TIMER_STATE, changed(9))]
    assert found(described[:1], described[1:]) == [("DEVICE[0]", "timer[0].octets[0x9:0xa]", "00", "ff")]


def test_descriptions_that_disagree_name_no_field() -> None:
    """Where the fields stand elsewhere on the other side, octets are told, and where the descriptions differ."""
    other = timer(changed(9), fields=[*TIMER_FIELDS[:3], {"name": "flags", "type": "uint16", "size": 2}])
    paths = [path for _, path, _, _ in found([timer()], [other])]
    assert paths[0] == "timer[0].octets[0x9:0xa]"
    assert "timer[0].description.fields[3].size" in paths


def test_states_of_different_length_are_told_by_place() -> None:
    """What the longer state has alone is told at its end."""
    assert found([timer()], [timer(TIMER_STATE + b"\x07")]) == [("DEVICE[0]", "timer[0].octets[0x1a:0x1b]", None, "07")]


def test_values_that_python_calls_equal_are_told_apart() -> None:
    """1 and true encode to different octets, and so do sections that they describe."""
    assert found([timer(x=1)], [timer(x=True)]) == [("DEVICE[0]", "timer[0].description.x", 1, True)]


def test_versions_are_told() -> None:
    """Another version of a section's layout is a difference of its own."""
    assert found([timer()], [attrs.evolve(timer(), version=3)]) == [("DEVICE[0]", "timer[0].version", 2, 3)]


def test_sections_that_one_side_lacks_are_told() -> None:
    """A section is found by name and instance, wherever it stands; the others are not taken for changed."""
    second = attrs.evolve(timer(), instance=1)
    assert found([timer()], [OTHER, timer(), second]) == [
        ("DEVICE[0]", "kvmclock[0]", None, "present"),
        ("DEVICE[2]", "timer[1]", None, "present"),
    ]
    assert found([timer(), OTHER], [timer()]) == [("DEVICE[1]", "kvmclock[0]", "present", None)]


def test_another_order_is_a_difference() -> None:
    """Sections that come in another order are told with both positions."""
    assert found([timer(), OTHER], [OTHER, timer()]) == [
        ("DEVICE[0]", "timer[0].position", 0, 1),
        ("DEVICE[1]", "kvmclock[0].position", 1, 0),
    ]


def test_sections_of_one_name_are_told_by_their_order() -> None:
    """Two sections of one name and instance are the first and the second of them."""
    assert [place.position for place in places([timer(), OTHER, timer()]).values()] == [0, 1, 2]
    assert [record for record, _, _, _ in found([timer(), timer()], [timer(), timer(changed(0))])] == ["DEVICE[1]"]
