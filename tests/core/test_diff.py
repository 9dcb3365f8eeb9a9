"""Tests of domctx.diff: which records and fields of two domains differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from blake3 import blake3

from domctx import manifest
from domctx.api import Context, Difference, Images
from domctx.context import Operation
from domctx.diff import diff
from domctx.errors import DomainError, PluginError
from domctx.image_domain import ImageDomain
from domctx.registry import Registry
from domctx.testing.streams import RawRecord
from helpers import toy_transform, toy_vendor, toys
from helpers.counters import COUNTER, COUNTERS, CounterBody, Counters, changed as with_changes
from helpers.plugins import manager_of, plugin
from helpers.toy_files import domain_of, opened
from helpers.toy_images import (
    one_type,
    records_of,
    resealed,
    saved,
    sealed,
    states,
    toy,
    toy_registry,
    vendor_image,
)
from helpers.toy_machines import MACHINE, ToyDomain
from helpers.toys import DialBody

TOYS = toy_registry()


def compared(a: Any, b: Any, registry: Registry = TOYS) -> list[Difference]:
    """The differences of two domains of these states."""
    return list(diff(ToyDomain(a), ToyDomain(b), registry))


def changed(**changes: Any) -> dict[Any, Any]:
    """The states with others in their places, by the names of keys; None leaves one out."""
    held: dict[Any, Any] = {key: state for key, state in states().items() if changes.get(key.name, key) is not None}
    return {key: changes.get(key.name, state) for key, state in held.items()}


def test_equal_domains_do_not_differ() -> None:
    """Both are paused, and both are given back."""
    a, b = ToyDomain(states()), ToyDomain(states())
    assert list(diff(a, b, TOYS)) == []
    assert a.events == b.events == ["pause", "unpause"]


def test_a_state_without_records_is_as_good_as_none() -> None:
    """Where the type tells its size; else a state that is there differs from one that is not."""
    empty, full = ({COUNTERS: Counters(held)} for held in ({}, {3: CounterBody(1, 2)}))
    told = Registry.resolve(manager_of({"acme": plugin(record_types=[COUNTER])}))
    assert compared(empty, {}, told) == compared({}, empty, told) == []
    assert compared({}, full, told) == [Difference("acme/counter", "", None, "present")]
    untold = Registry.resolve(manager_of({"acme": plugin(record_types=[with_changes(exact_size=None)])}))
    assert compared(empty, {}, untold) == [Difference("acme/counter", "", "present", None)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dial": toys.Dial(DialBody(43, 5))}, Difference("DIAL[0]", "value", 42, 43)),
        ({"dial": toys.Dial(DialBody(42, 6))}, Difference("DIAL[0]", "scale", 5, 6)),
        (
            {"notes": toys.Notes([b"one", b"", b"three and fore!!"])},
            Difference("NOTES[2]", "body[0xc:]", "75 72 21 21", "72 65 21 21"),
        ),
        (
            {"notes": toys.Notes([b"one", b"", b"three and"])},
            Difference("NOTES[2]", "body[0x9:]", "20 66 6f 75 72 21 21", ""),
        ),
        ({"notes": toys.Notes([b"one", b""])}, Difference("NOTES[2]", "", "present", None)),
        ({"lamps": toys.Lamps({7: b"lamp seven.."})}, Difference("LAMPS[4294967295]", "", "present", None)),
        ({"dial": None}, Difference("DIAL", "", "present", None)),
    ],
)  # fmt: skip
def test_each_change_is_named(changes: dict[str, Any], expected: Difference) -> None:
    """Record and field, or the octets from the first that differs on; either way round."""
    assert compared(states(), changed(**changes)) == [expected]
    turned = attrs.evolve(expected, a=expected.b, b=expected.a)
    assert compared(changed(**changes), states()) == [turned]


def test_a_state_that_only_tells_of_the_save_does_not_count() -> None:
    """That one side lacks it is told."""
    registry = one_type(toy(toys.NOTES_CODE, counted=False))
    held = {toys.NOTES: toys.Notes([b"one"])}
    assert compared({}, held, registry) == [Difference("NOTES", "", None, "present", counted=False)]


def test_the_descriptions_are_compared() -> None:
    """Field by field; how a machine was started is told, but does not count."""
    other = attrs.evolve(MACHINE, name="other", vcpus=(0, 1), command_line="x")
    found = list(diff(ToyDomain({}), ToyDomain({}, machine=other), TOYS))
    assert found == [
        Difference("MANIFEST[0]", "machine.name", "toy", "other"),
        Difference("MANIFEST[0]", "machine.vcpus", (0,), (0, 1)),
        Difference("MANIFEST[0]", "machine.command_line", None, "x", counted=False),
    ]


def test_who_saved_and_when_is_told_but_not_counted(tmp_path: Path) -> None:
    """Of two images; of others it is not known."""
    image = saved(TOYS, states())
    told = manifest.decode(records_of(image)[1].body)
    other = resealed(image, 1, body=manifest.encode(attrs.evolve(told, time="then", producer="somebody")))
    one, two = domain_of(tmp_path, image, TOYS), ToyDomain(states())
    assert list(diff(one, two, TOYS)) == []
    three = ImageDomain(opened(tmp_path, other, "other.dctx"), TOYS)
    assert list(diff(one, three, TOYS)) == [
        Difference("MANIFEST[0]", "time", told.time, "then", counted=False),
        Difference("MANIFEST[0]", "producer", told.producer, "somebody", counted=False),
    ]
    for domain in (one, three):
        domain.close()


def test_a_type_may_compare_by_itself() -> None:
    """And its failures are its plugin's."""

    def differ(a: toys.Notes, b: toys.Notes, context: Context) -> Iterator[Difference]:
        yield Difference("NOTES", "count", len(a.texts), len(b.texts), counted=False)

    registry = one_type(toy(toys.NOTES_CODE, diff=differ))
    held = {toys.NOTES: toys.Notes([b"x"])}
    assert compared(held, {toys.NOTES: toys.Notes()}, registry) == [Difference("NOTES", "count", 1, 0, counted=False)]

    def fails(a: Any, b: Any, context: Context) -> Iterator[Difference]:
        yield Difference("NOTES", "x", 1, 2)
        raise KeyError("gone")

    with pytest.raises(PluginError, match="plugin domctx:one: KeyError: 'gone'"):
        compared(held, held, one_type(toy(toys.NOTES_CODE, diff=fails)))


def test_transforms_do_not_show() -> None:
    """What is compared is what is in them."""
    registry = toy_registry(**{"acme:double": toy_transform})
    (found,) = compared(states(), changed(notes=toys.Notes([b"one", b"", b"three and fore!!"])), registry)
    assert found == Difference("NOTES[2]", "body[0xc:]", "75 72 21 21", "72 65 21 21")


def test_a_plain_image_is_compared_by_state(tmp_path: Path) -> None:
    """The same clock, though another record holds it."""
    plain = domain_of(tmp_path, saved(TOYS, states(), Images.PLAIN), TOYS)
    differing = {item.record for item in diff(plain, ToyDomain(states(), machine=plain.machine), TOYS)}
    assert differing == {"DIAL", "NOTES", "LAMPS", "BULK"}
    later = changed(toy_clock=toys.Clock(0x1123))
    found = [item for item in diff(plain, ToyDomain(later, machine=plain.machine), TOYS) if "CLOCK" in item.record]
    assert found == [Difference("XEN_CLOCK[0]", "body[0x0:]", "22 11 00 00 00 00 00 00", "23 11 00 00 00 00 00 00")]
    plain.close()


def test_records_that_nobody_knows_are_compared(tmp_path: Path) -> None:
    """Octet by octet; missing ones are named."""
    octets = vendor_image()
    *records, mark = records_of(octets)

    def against(*last: RawRecord) -> list[Difference]:
        a = domain_of(tmp_path, octets, TOYS)
        b = ImageDomain(opened(tmp_path, sealed([*records, *last]), "other.dctx"), TOYS)
        found = list(diff(a, b, TOYS))
        assert [attrs.evolve(item, a=item.b, b=item.a) for item in diff(b, a, TOYS)] == found
        a.close()
        b.close()
        return found

    assert against(mark) == []
    assert against() == [Difference("acme/mark[5]", "", "present", None)]
    name = "acme/mark[5]"
    for body in (b"marker", b"marked."):
        told = [f"{len(octets)} octets, BLAKE3 {blake3(octets).hexdigest()[:16]}" for octets in (b"marked", body)]
        assert against(attrs.evolve(mark, body=body)) == [Difference(name, "body", told[0], told[1])]
    assert mark.type & 0x7FFF_FFFF == toy_vendor.MARK_CODE


@pytest.mark.parametrize(("a", "b", "events"), [("pause", "", ["pause"]), ("", "pause", ["pause", "unpause"])])
def test_a_domain_that_cannot_be_paused(a: str, b: str, events: list[str]) -> None:
    """Leaves the other as it was."""
    one, two = ToyDomain(states(), fail=a), ToyDomain(states(), fail=b)
    with pytest.raises(DomainError, match="the toy cannot pause"):
        list(diff(one, two, TOYS, Operation()))
    assert one.events == events


def test_a_comparison_that_is_given_up_gives_the_domains_back() -> None:
    """Whoever reads the differences may stop."""
    a, b = ToyDomain(states()), ToyDomain(changed(dial=None))
    found = diff(a, b, TOYS)
    assert next(found)
    found.close()  # type: ignore[attr-defined]  # it is a generator
    assert a.events == b.events == ["pause", "unpause"]
